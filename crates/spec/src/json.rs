//! stub
pub fn write_string(_out: &mut Vec<u8>, _s: &str) {}
