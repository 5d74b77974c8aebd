//! MPEG-2 transport streams (ISO/IEC 13818-1:2023): packets, tables and PES in; whole segments out.
//!
//! ```text
//! bytes → packet::PacketReader → packet::Packet ─┬ psi::Tables     PAT, PMT: which PID is what
//!                                                ├ pes::PesReader  timestamps and payload of a PID
//!                                                └ sections::Sections ─ splice: markers of SCTE 35
//! samples → mux::write_segment → bytes            sample_aes::SampleAesStream: what a PMT says of
//!                                                encrypted samples
//! ```
//!
//! Reads and writes single-program streams of 188-byte packets. Nothing here knows of playlists,
//! fragments or files, and nothing logs.

pub mod contents;
pub mod mux;
pub mod packet;
mod packet_writer;
pub mod pes;
pub mod psi;
pub mod sample_aes;
pub mod sections;
pub mod splice;

/// The 13-bit packet identifier of the program association table (2.4.3.3, table 2-3).
pub const PAT_PID: u16 = 0;
/// Null packets (table 2-3).
pub const NULL_PID: u16 = 0x1FFF;
