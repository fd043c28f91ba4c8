//! stub
use std::net::IpAddr;
#[derive(Clone, Copy, Default)]
pub struct MediaBrief {
    pub address: Option<IpAddr>,
    pub port: u16,
}
#[derive(Clone, Copy, Default)]
pub struct SdpBrief {}
impl SdpBrief {
    pub fn media(&self) -> &[MediaBrief] {
        &[]
    }
    pub fn write_summary(&self, _b: &[u8], _o: &mut Vec<u8>) {}
}
pub fn brief(_b: &[u8]) -> SdpBrief {
    SdpBrief::default()
}
