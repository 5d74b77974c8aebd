//! Pictures divided into subsamples, as ciphers take them.

use std::ops::Range;

use packorigin::cenc::cipher::ProtectedSample;
use packorigin::cenc::subsample::{SliceSyntax, subsamples};
use packorigin::model::protection::ProtectionScheme;
use packorigin::model::sample::{Sample, Subsample};

/// Samples in a buffer, divided into subsamples.
#[derive(Default)]
pub struct Divided {
    subsamples: Vec<Subsample>,
    /// Where each sample lies in the buffer, and how many subsamples it and those before have.
    samples: Vec<(Range<usize>, usize)>,
}

impl Divided {
    /// Divides samples anew.
    pub fn divide(
        &mut self,
        scheme: ProtectionScheme,
        payload: &[u8],
        samples: &[Sample],
        slices: &SliceSyntax<'_>,
    ) {
        self.subsamples.clear();
        self.samples.clear();
        for sample in samples {
            let place = sample.offset..sample.offset + sample.size as usize;
            subsamples(scheme, &payload[place.clone()], slices, &mut self.subsamples);
            self.samples.push((place, self.subsamples.len()));
        }
    }

    /// What ciphers are given.
    pub fn samples(&self) -> impl Iterator<Item = ProtectedSample<'_>> {
        let mut from = 0;
        self.samples.iter().map(move |(place, to)| {
            let subsamples = &self.subsamples[from..*to];
            from = *to;
            ProtectedSample { place: place.clone(), subsamples }
        })
    }
}
