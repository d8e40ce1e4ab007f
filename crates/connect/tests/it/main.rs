//! What the readers and the collection make of what others send. One binary, so that it is linked once.

mod events;
mod export;
mod live;
mod moto;
