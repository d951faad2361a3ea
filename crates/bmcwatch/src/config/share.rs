//! `[discovery]`: how often, which share of the endpoints, what holds for all of them, and where else they come from.

use std::time::Duration;

use collect::{DISCOVERY_INTERVAL, Share};
use redfish::Address;

use super::{
    endpoints, key,
    problem::Refusal,
    quantity,
    reader::{Reader, Table},
    sources::{self, SourceConfig},
};

/// What holds for all endpoints.
pub(super) struct Discovery {
    pub(super) interval: Duration,
    pub(super) share: Share,
    pub(super) allowed_origins: Vec<Address>,
    pub(super) sources: Vec<SourceConfig>,
}

pub(super) fn read(reader: &mut Reader<'_>, top: &Table<'_>) -> Discovery {
    let table = top.table(reader, "discovery", &key::DISCOVERY);
    let interval = table.read(reader, "interval", quantity::duration).unwrap_or(DISCOVERY_INTERVAL);
    let only = table.labels(reader, "only").unwrap_or_default();
    let shard = table.read(reader, "shard", shard);
    let allowed_origins = endpoints::origins(reader, &table);
    let sources = sources::read(reader, &table);
    Discovery { interval, share: Share { only, shard }, allowed_origins, sources }
}

/// `INDEX/SHARDS`, counted from 0.
fn shard(text: &str) -> Result<(u32, u32), Refusal> {
    let refused = || {
        Refusal::new(format!("{text:?} is not a share"))
            .hint("write INDEX/SHARDS, such as \"0/4\" for the first of four")
    };
    let (index, shards) = text.split_once('/').ok_or_else(refused)?;
    let number = |digits: &str| digits.trim().parse::<u32>().map_err(|_| refused());
    let (index, shards) = (number(index)?, number(shards)?);
    if index < shards {
        return Ok((index, shards));
    }
    let hint = match shards {
        0 => "write \"0/1\" for all endpoints".to_owned(),
        _ => format!("indexes count from 0: the last of {shards} is \"{}/{shards}\"", shards - 1),
    };
    Err(Refusal::new(format!("there is no share {index} of {shards}")).hint(hint))
}
