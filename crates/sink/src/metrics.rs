//! Families of sinks that are counted where they happen. What a status tells is rendered from it by the program.
//!
//! Names carry no prefix: the registry adds it. Only this file calls `with_label_values`.

use prometheus::{Histogram, HistogramOpts, HistogramVec, Registry};

/// Upper ends of the buckets, in seconds: a file on a local disk takes milliseconds, a peer is given half a minute.
const BUCKETS: [f64; 11] = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

/// The families; cheap to clone.
#[derive(Clone, Debug)]
pub struct Metrics {
    delivery_seconds: HistogramVec,
}

impl Metrics {
    /// Registers the families.
    pub fn register(registry: &Registry) -> prometheus::Result<Self> {
        let options = HistogramOpts::new(
            "sink_delivery_duration_seconds",
            "How long a delivery to the sink took, whatever came of it.",
        );
        let delivery_seconds = HistogramVec::new(options.buckets(BUCKETS.to_vec()), &["sink"])?;
        registry.register(Box::new(delivery_seconds.clone()))?;
        Ok(Self { delivery_seconds })
    }

    /// The deliveries of one sink.
    pub(crate) fn deliveries(&self, sink: &str) -> Histogram {
        self.delivery_seconds.with_label_values(&[sink])
    }
}
