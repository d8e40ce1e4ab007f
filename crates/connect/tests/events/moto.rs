//! Against moto: real clients on both sides, events put into a queue as EventBridge would.
