//! The walk over Systems, Managers, Chassis and a few odd parents to the log services. Only links are followed.

use std::collections::HashSet;

use model::Hardware;
use serde_json::Value;

use super::{Client, exchange::request_error};
use crate::{
    LogService, LogServices, Operation, RequestError, RequestErrorKind, ServiceRoot, TransportError,
    hardware, identity, json,
};

/// Members read of one collection: an HGX baseboard has about 100 chassis.
const COLLECTION_MEMBERS_MAX: usize = 256;
/// Logs of one BMC: a GB200 has about 30.
const LOG_SERVICES_MAX: usize = 64;
/// One resource of a BMC may hang or break off for ever and must not hide the others; two are a BMC in trouble, which is
/// left alone.
const BROKEN_ANSWERS_MAX: usize = 2;

#[derive(Default)]
struct Walk {
    /// Paths met, in lower case: some BMCs spell one path in two ways (T20).
    met: HashSet<String>,
    found: Vec<LogService>,
    /// UUID of the first manager that has one.
    manager: Option<String>,
    hardware: Hardware,
    problems: Vec<RequestError>,
    broken_answers: usize,
}

impl Walk {
    fn is_new(&mut self, path: &str) -> bool {
        self.met.insert(identity::normal_path(path).to_ascii_lowercase())
    }

    /// Notes a part that failed; an error that concerns the whole BMC ends the walk.
    fn note(&mut self, error: RequestError) -> Result<(), RequestError> {
        let ends = match &error.kind {
            RequestErrorKind::Transport(TransportError::Exchange(_)) | RequestErrorKind::Timeout(_) => {
                self.broken_answers += 1;
                self.broken_answers >= BROKEN_ANSWERS_MAX
            }
            // A 429 is about how often we ask, whatever it is the answer to.
            RequestErrorKind::Status { status: 429, .. }
            | RequestErrorKind::Transport(_)
            | RequestErrorKind::LoginRefused
            | RequestErrorKind::LoginPaused(_)
            | RequestErrorKind::Memory(_) => true,
            RequestErrorKind::Status { .. }
            | RequestErrorKind::Decode(_)
            | RequestErrorKind::TooLarge { .. }
            | RequestErrorKind::ForeignOrigin { .. } => false,
        };
        if ends {
            return Err(error);
        }
        self.problems.push(error);
        Ok(())
    }
}

impl Client {
    pub(super) async fn walk_logs(&self, root: &ServiceRoot) -> Result<LogServices, RequestError> {
        let mut walk = Walk::default();
        let parents: Vec<&String> =
            [&root.systems, &root.managers, &root.chassis].into_iter().flatten().collect();
        let mut unread = 0;
        for link in &parents {
            match self.members(&mut walk, "/redfish/v1/", link).await {
                Ok(members) => {
                    let role = match Some(*link) {
                        link if link == root.systems.as_ref() => Role::System,
                        link if link == root.managers.as_ref() => Role::Manager,
                        _ => Role::Chassis,
                    };
                    self.walk_parents(&mut walk, members, role).await?;
                }
                Err(error) => {
                    unread += 1;
                    walk.note(error)?;
                }
            }
        }
        if unread == parents.len() && !walk.problems.is_empty() {
            return Err(walk.problems.remove(0));
        }
        for link in &root.odd_parents {
            if let Ok(path) = self.path_of(Operation::Logs, "/redfish/v1/", link) {
                let parent = Found { path, inline: None };
                self.walk_parents(&mut walk, vec![parent], Role::Odd).await?;
            }
        }
        walk.found.sort_by(|a, b| a.path.cmp(&b.path));
        let machine = root.uuid.clone().or(walk.manager);
        Ok(LogServices { found: walk.found, machine, hardware: walk.hardware, problems: walk.problems })
    }

    /// One log service, read again.
    pub(super) async fn read_log_service(&self, log: &LogService) -> Result<LogService, RequestError> {
        let (document, path) = self.document(Operation::Logs, log.path.clone()).await?;
        LogService::decode(&log.path, &document, self.clock.now()).ok_or_else(|| {
            let kind = RequestErrorKind::Decode("it has no entries any more".to_owned());
            request_error(Operation::Logs, &path, kind)
        })
    }

    /// Systems, managers, chassis, or an odd parent.
    async fn walk_parents(
        &self,
        walk: &mut Walk,
        parents: Vec<Found>,
        role: Role,
    ) -> Result<(), RequestError> {
        for parent in parents {
            if !walk.is_new(&parent.path) {
                continue;
            }
            let logs = match self.logs_of(walk, &parent, role).await {
                Ok(logs) => logs,
                // It was not known to have logs, and licences hide telemetry.
                Err(error) if role == Role::Odd && is_answer(&error) => continue,
                Err(error) => {
                    walk.note(error)?;
                    continue;
                }
            };
            for log in logs {
                self.walk_log(walk, log).await?;
            }
        }
        Ok(())
    }

    /// The members of a parent's `LogServices`; none when it has no such link.
    async fn logs_of(&self, walk: &mut Walk, parent: &Found, role: Role) -> Result<Vec<Found>, RequestError> {
        let (document, path) = self.document(Operation::Logs, parent.path.clone()).await?;
        match role {
            Role::System => hardware::note_system(&mut walk.hardware, &document),
            Role::Manager => {
                hardware::note_manager(&mut walk.hardware, &document);
                walk.manager = walk.manager.take().or_else(|| json::uuid(&document));
            }
            Role::Chassis | Role::Odd => {}
        }
        match json::link_at(&document, "LogServices") {
            Some(link) => self.members(walk, &path, &link).await,
            None => Ok(Vec::new()),
        }
    }

    async fn walk_log(&self, walk: &mut Walk, log: Found) -> Result<(), RequestError> {
        if !walk.is_new(&log.path) {
            return Ok(());
        }
        if walk.found.len() >= LOG_SERVICES_MAX {
            return walk.note(beyond(&log.path, LOG_SERVICES_MAX + 1, LOG_SERVICES_MAX));
        }
        let read = match log.inline {
            Some(document) => Ok((document, log.path.clone())),
            None => self.document(Operation::Logs, log.path.clone()).await,
        };
        match read {
            Ok((document, _)) => {
                walk.found.extend(LogService::decode(&log.path, &document, self.clock.now()));
            }
            Err(error) => walk.note(error)?,
        }
        Ok(())
    }

    /// The members of the collection that `link`, found at `base`, leads to.
    async fn members(&self, walk: &mut Walk, base: &str, link: &str) -> Result<Vec<Found>, RequestError> {
        let path = self.path_of(Operation::Logs, base, link)?;
        let (mut document, path) = self.document(Operation::Logs, path).await?;
        let members = match document.get_mut("Members").map(Value::take) {
            Some(Value::Array(members)) => members,
            None | Some(Value::Null) => Vec::new(),
            Some(_) => {
                let kind = RequestErrorKind::Decode("Members is no array".to_owned());
                return Err(request_error(Operation::Logs, &path, kind));
            }
        };
        if members.len() > COLLECTION_MEMBERS_MAX {
            walk.note(beyond(&path, members.len(), COLLECTION_MEMBERS_MAX))?;
        }
        let mut found = Vec::new();
        for member in members.into_iter().take(COLLECTION_MEMBERS_MAX) {
            let Some(link) = json::link(&member) else { continue };
            let path = match self.path_of(Operation::Logs, &path, &link) {
                Ok(path) => path,
                Err(error) => {
                    walk.note(error)?;
                    continue;
                }
            };
            // A log service that is expanded in place costs no request of its own.
            let inline = json::link_at(&member, "Entries").is_some();
            found.push(Found { path, inline: inline.then_some(member) });
        }
        Ok(found)
    }
}

/// Something is left out because there is too much of it; that must show.
fn beyond(path: &str, found: usize, limit: usize) -> RequestError {
    let kind = RequestErrorKind::Decode(format!("{found} members, more than the {limit} we read"));
    request_error(Operation::Logs, path, kind)
}

/// Whether the BMC answered, though not with what was asked for.
fn is_answer(error: &RequestError) -> bool {
    matches!(error.kind, RequestErrorKind::Status { .. } | RequestErrorKind::Decode(_))
}

/// What a parent of logs is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    /// A system: it says what the hardware is.
    System,
    /// A manager: it may name the machine, and says what the BMC is.
    Manager,
    /// A chassis.
    Chassis,
    /// Something else, which may have no logs at all.
    Odd,
}

/// A member of a collection.
struct Found {
    path: String,
    inline: Option<Value>,
}
