//! S3.

pub mod storage;
