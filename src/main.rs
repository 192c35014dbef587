//! saiken
fn main() {}
