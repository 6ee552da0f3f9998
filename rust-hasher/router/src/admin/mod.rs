//! What people and probes see: metrics and health over HTTP.

pub mod http;
pub mod metrics;
