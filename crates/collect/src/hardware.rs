//! Keeps what a BMC said of its hardware as a mark in the journal, where sinks find it.
//!
//! Written when it changed, which is at first contact and after an exchange or a firmware update. Not here: what it says
//! (`model::Hardware`).

use journal::{Batch, Mark};
use model::{HARDWARE_MARK, Hardware};

use crate::collector::{Broken, Context};

/// Replaces what is kept of the endpoint, unless it is the same. A BMC that says nothing, this time, changes nothing.
pub(crate) async fn keep(context: &Context, found: &Hardware) -> Result<(), Broken> {
    let scope = context.id().as_str();
    let value = found.encode();
    let kept = context.world.journal.mark(scope, HARDWARE_MARK).await?;
    if *found == Hardware::default() || kept.as_ref() == Some(&value) {
        return Ok(());
    }
    let marks = vec![Mark { name: HARDWARE_MARK.to_owned(), value }];
    context.world.journal.append(Batch { scope: scope.into(), items: Vec::new(), marks }).await?;
    Ok(())
}
