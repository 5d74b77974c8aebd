//! What ingest tells the operator: failure codes, progress and the report (INTERFACE.md section 3).
//!
//! An ingest that fails has one [`IngestFailure`]. One that succeeds has a [`Report`] of what was
//! measured, and in it [`Finding`]s: what is not as it should be, though the asset plays.

mod failure;
mod finding;
mod finding_code;
mod place;
mod progress;
mod report;

pub use failure::{FailureCode, IngestFailure};
pub use finding::{Finding, Findings};
pub use finding_code::{FindingCode, Severity, Topic};
pub use place::Place;
pub use progress::Progress;
pub use report::{
    Alignment, AudioReport, CaptionReport, Colours, LeftOut, Offsets, PackageReport, PeriodCause,
    PeriodReport, RandomAccessReport, Report, ScanType, StreamReport, Tally, VideoReport,
};
