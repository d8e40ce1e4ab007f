//! Nothing lives here: the suites are the integration binary beside this file.
