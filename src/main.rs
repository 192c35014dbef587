//! saiken
fn main(){}
