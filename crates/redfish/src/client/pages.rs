//! Reading a page of a log, with the members that are only links.

use std::collections::HashSet;

use model::ReadMembers;

use super::{
    Client,
    exchange::{Afterwards, Answer, Ask, request_error},
};
use crate::{
    KnownPage, LogService, Operation, Page, PageLink, RequestError, RequestErrorKind,
    log_entry::{self, Member},
    page::{Content, LinkBy, PageDigest, Slot, Slots},
};

/// Members of one page that are read one by one (T31). At 0.3 s each this is ten minutes, beyond the usual poll interval.
const LINKED_MEMBERS_MAX: usize = 2000;

impl Client {
    pub(super) async fn read_page(
        &self,
        log: &LogService,
        link: &str,
        afterwards: Afterwards,
    ) -> Result<Page, RequestError> {
        let path = self.path_of(Operation::Logs, &log.path, link)?;
        let answer = self.ask(Ask::get(Operation::Logs, path.clone()).and_then(afterwards)).await?;
        self.page_of(log, path, answer, None).await
    }

    pub(super) async fn read_changed_page(
        &self,
        log: &LogService,
        known: KnownPage,
        afterwards: Afterwards,
    ) -> Result<Option<Page>, RequestError> {
        let path = self.path_of(Operation::Logs, &log.path, &log.entries)?;
        let answer = self.ask(Ask::get(Operation::Logs, path.clone()).and_then(afterwards)).await?;
        if known.digest.is_some_and(|known| known == PageDigest::new(&answer.body).finish()) {
            return Ok(None);
        }
        self.page_of(log, path, answer, known.members).await.map(Some)
    }

    async fn page_of(
        &self,
        log: &LogService,
        path: String,
        answer: Answer,
        known: Option<ReadMembers>,
    ) -> Result<Page, RequestError> {
        let wrong = |kind| request_error(Operation::Logs, &path, kind);
        let content = Content::decode(&answer.body, &log.path, known);
        let content = content.map_err(|why| wrong(answer.not_json(&why)))?;
        let next = match &content.next {
            Some(next) => self.next_of(&[&path, &answer.path], next).map_err(wrong)?,
            None => PageLink::by_count(&path, content.listed, content.count),
        };
        let linked = content.slots.links();
        if linked > LINKED_MEMBERS_MAX {
            let why = format!("{linked} members are links, more than the {LINKED_MEMBERS_MAX} we follow");
            return Err(wrong(RequestErrorKind::Decode(why)));
        }
        let mut page = self.filled(log, &answer.path, content, next).await?;
        self.reword(&mut page.entries).await;
        Ok(page)
    }

    /// A further page. Where only the count said that there is one, a refusal says that there is none to be had (T26).
    pub(super) async fn read_next(&self, log: &LogService, link: &PageLink) -> Result<Page, RequestError> {
        let read = self.read_page(log, &link.path, Afterwards::KeepOpen).await;
        let Err(error) = read else { return read };
        let refused =
            matches!(&error.kind, RequestErrorKind::Status { status: 400 | 404 | 405 | 500 | 501, .. });
        match link.by {
            LinkBy::Count(count) if refused => Ok(Page::empty(count)),
            LinkBy::Count(_) | LinkBy::Bmc => Err(error),
        }
    }

    /// Where the next page is; nowhere when the page links to itself (T28).
    fn next_of(&self, own: &[&str], next: &str) -> Result<Option<PageLink>, RequestErrorKind> {
        let path = self.resolve(own[own.len() - 1], next)?;
        Ok((!own.contains(&path.as_str())).then_some(PageLink { path, by: LinkBy::Bmc }))
    }

    /// The page, its links replaced by what they lead to.
    async fn filled(
        &self,
        log: &LogService,
        base: &str,
        content: Content,
        next: Option<PageLink>,
    ) -> Result<Page, RequestError> {
        let Content { slots, mut digest, count, members, left_out, .. } = content;
        let Slots { filled: slots, mut rejected, empty: mut empty_slots } = slots;
        let mut entries = Vec::with_capacity(slots.len());
        let mut read = HashSet::new();
        for slot in slots {
            let link = match slot {
                Slot::Entry(entry) => {
                    entries.push(entry);
                    continue;
                }
                Slot::Link(link) => link,
            };
            let Ok(path) = self.path_of(Operation::Entry, base, &link) else {
                rejected += 1;
                continue;
            };
            if !read.insert(path.clone()) {
                continue;
            }
            match self.linked(log, path).await? {
                Linked::Member(Member::Entry(entry), bytes) => {
                    // Links of positions stay the same while the log moves on (T1).
                    digest.add(&bytes);
                    entries.push(entry);
                }
                Linked::Member(Member::EmptySlot, _) => empty_slots += 1,
                Linked::Member(Member::Link(_), _) | Linked::Unreadable => rejected += 1,
                Linked::Gone => {}
            }
        }
        let digest = digest.finish();
        Ok(Page { entries, next, count, digest, members, left_out, rejected, empty_slots })
    }

    async fn linked(&self, log: &LogService, path: String) -> Result<Linked, RequestError> {
        let answer = match self.get(Operation::Entry, path).await {
            Ok(answer) => answer,
            Err(error) => {
                return match error.kind {
                    // The log was trimmed between page and member (T4).
                    RequestErrorKind::Status { status: 404 | 410, .. } => Ok(Linked::Gone),
                    // Passing trouble, or the whole BMC's: what is skipped now would be lost.
                    RequestErrorKind::Status { status: 401 | 403 | 408 | 429 | 503, .. }
                    | RequestErrorKind::Transport(_)
                    | RequestErrorKind::Timeout(_)
                    | RequestErrorKind::LoginRefused
                    | RequestErrorKind::LoginPaused(_)
                    | RequestErrorKind::Memory(_) => Err(error),
                    RequestErrorKind::Status { .. }
                    | RequestErrorKind::TooLarge { .. }
                    | RequestErrorKind::ForeignOrigin { .. }
                    | RequestErrorKind::Decode(_) => Ok(Linked::Unreadable),
                };
            }
        };
        let Ok(text) = crate::json::text(&answer.body) else { return Ok(Linked::Unreadable) };
        let Ok(raw) = serde_json::from_str(&text) else { return Ok(Linked::Unreadable) };
        match log_entry::decode(raw, &log.path) {
            Ok(member) => Ok(Linked::Member(member, answer.body)),
            Err(_) => Ok(Linked::Unreadable),
        }
    }
}

/// What the link of a member led to.
#[expect(clippy::large_enum_variant, reason = "it is taken apart at once")]
enum Linked {
    Member(Member, bytes::Bytes),
    /// The entry is not there any more.
    Gone,
    Unreadable,
}
