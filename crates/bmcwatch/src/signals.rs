//! Signals: SIGTERM and SIGINT end the program, SIGHUP loads the config again, SIGUSR1 opens the files of sinks anew.

use std::io;

use tokio::{
    signal::unix::{SignalKind, signal},
    sync::{mpsc, watch},
};
use tokio_util::sync::CancellationToken;

use crate::app::Control;

/// More than one waiting reload tells nothing that one does not.
const RELOADS_MAX: usize = 1;

/// Takes the signals over. The future forwards them and ends with `stop`; its owner awaits it beside the daemon.
pub fn listen(stop: CancellationToken) -> io::Result<(Control, impl Future<Output = ()>)> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    let mut reopen = signal(SignalKind::user_defined1())?;
    let (reloads, reload) = mpsc::channel(RELOADS_MAX);
    let (reopens, wish) = watch::channel(0);
    let control = Control { stop: stop.clone(), reload, reopen: wish };
    let forward = async move {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = terminate.recv() => stop.cancel(),
                _ = interrupt.recv() => stop.cancel(),
                // A full queue holds a reload that has not begun yet and will see what this one would.
                _ = hang_up.recv() => drop(reloads.try_send(())),
                _ = reopen.recv() => reopens.send_modify(|times| *times += 1),
            }
        }
    };
    Ok((control, forward))
}
