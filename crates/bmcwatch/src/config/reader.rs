//! Reading a parsed TOML tree: every question that finds a mistake notes it and lets the reading go on, so that all
//! mistakes of a file are reported at once.
//!
//! It knows the shape of TOML and the declared keys, not what any key means.

use std::{collections::BTreeMap, iter, ops::RangeInclusive, path::PathBuf};

use model::Secret;
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{
    environment::Environment,
    key::{SECTIONS, Section},
    nearest::{nearest, suggest},
    problem::{Place, Problem, Refusal, Warning},
};

/// What has been found so far in one file.
pub(crate) struct Reader<'a> {
    pub(crate) environment: &'a Environment,
    file: PathBuf,
    text: &'a str,
    /// Where each line begins.
    lines: Vec<usize>,
    pub(crate) problems: Vec<Problem>,
    pub(crate) warnings: Vec<Warning>,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(file: PathBuf, text: &'a str, environment: &'a Environment) -> Self {
        let lines = iter::once(0).chain(text.match_indices('\n').map(|(newline, _)| newline + 1)).collect();
        Self { environment, file, text, lines, problems: Vec::new(), warnings: Vec::new() }
    }

    pub(crate) fn problem(&mut self, key: String, offset: usize, refusal: Refusal) {
        let problem = self.finding(key, offset, refusal);
        self.problems.push(problem);
    }

    fn finding(&self, key: String, offset: usize, refusal: Refusal) -> Problem {
        let offset = self.text.floor_char_boundary(offset);
        let line = self.lines.partition_point(|start| *start <= offset);
        let column = self.text[self.lines[line - 1]..offset].chars().count() + 1;
        let place = Some(Place { line, column });
        Problem { file: self.file.clone(), place, key, text: refusal.text, hint: refusal.hint }
    }
}

/// One table of the file, or the absence of one.
#[derive(Clone)]
pub(crate) struct Table<'a> {
    section: &'static Section,
    /// The path of the table, such as `endpoints[2]`; empty at the top.
    path: String,
    offset: usize,
    values: Option<&'a DeTable<'a>>,
}

impl<'a> Table<'a> {
    /// The whole file.
    pub(crate) fn top(reader: &mut Reader<'_>, section: &'static Section, values: &'a DeTable<'a>) -> Self {
        Self::declared(reader, Self { section, path: String::new(), offset: 0, values: Some(values) })
    }

    /// A table that stands in no file.
    pub(crate) fn made(section: &'static Section, values: &'a DeTable<'a>) -> Self {
        Self { section, path: String::new(), offset: 0, values: Some(values) }
    }

    /// Where it stands in the file, among other tables.
    pub(crate) fn offset(&self) -> usize {
        self.offset
    }

    /// Notes every key of the table that is not declared.
    fn declared(reader: &mut Reader<'_>, table: Self) -> Self {
        for key in table.values.into_iter().flat_map(DeTable::keys) {
            let name = key.get_ref().as_ref();
            if table.section.key(name).is_none() {
                let refusal = Refusal::new("unknown key").hint(unknown_key_hint(table.section, name));
                reader.problem(table.key(name), key.span().start, refusal);
            }
        }
        table
    }

    pub(crate) fn is_present(&self) -> bool {
        self.values.is_some()
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.value(name).is_some()
    }

    /// The path of a key in this table.
    pub(crate) fn key(&self, name: &str) -> String {
        let bare =
            name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-') && !name.is_empty();
        let name = if bare { name.to_owned() } else { format!("{name:?}") };
        if self.path.is_empty() { name } else { format!("{}.{name}", self.path) }
    }

    fn value(&self, name: &str) -> Option<&'a Spanned<DeValue<'a>>> {
        debug_assert!(self.section.key(name).is_some(), "{name} is not declared in {}", self.section.name);
        let entry = self.values?.iter().find(|(key, _)| key.get_ref() == name);
        entry.map(|(_, value)| value)
    }

    /// Notes a problem at a key, or at the table where the key is absent.
    pub(crate) fn problem(&self, reader: &mut Reader<'_>, name: &str, refusal: Refusal) {
        reader.problem(self.key(name), self.offset_of(name), refusal);
    }

    /// Notes a problem of the table as a whole.
    pub(crate) fn table_problem(&self, reader: &mut Reader<'_>, refusal: Refusal) {
        reader.problem(self.path.clone(), self.offset, refusal);
    }

    /// Notes a warning at a key, or at the table where the key is absent.
    pub(crate) fn warning(&self, reader: &mut Reader<'_>, name: &str, refusal: Refusal) {
        let warning = reader.finding(self.key(name), self.offset_of(name), refusal);
        reader.warnings.push(warning);
    }

    fn offset_of(&self, name: &str) -> usize {
        self.value(name).map_or(self.offset, |value| value.span().start)
    }

    fn wrong_kind(&self, reader: &mut Reader<'_>, name: &str, wanted: &str) {
        let found = self.value(name).map_or("nothing", |value| value.get_ref().type_str());
        let hint = self.section.key(name).map(|key| format!("{name} is {}", key.kind));
        let text = format!("expected {wanted}, found {} {found}", article(found));
        self.problem(reader, name, Refusal { text, hint });
    }

    /// A string, with its variables filled in.
    pub(crate) fn text(&self, reader: &mut Reader<'_>, name: &str) -> Option<String> {
        self.read(reader, name, |text| Ok(text.to_owned()))
    }

    /// A string that `parse` accepts.
    pub(crate) fn read<T>(
        &self,
        reader: &mut Reader<'_>,
        name: &str,
        parse: impl FnOnce(&str) -> Result<T, Refusal>,
    ) -> Option<T> {
        let value = self.value(name)?;
        let Some(raw) = value.get_ref().as_str() else {
            self.wrong_kind(reader, name, "a string");
            return None;
        };
        let parsed = reader.environment.substitute(raw).and_then(|text| parse(&text));
        parsed.map_err(|refusal| self.problem(reader, name, refusal)).ok()
    }

    /// One of a few words.
    pub(crate) fn word<T: Copy>(
        &self,
        reader: &mut Reader<'_>,
        name: &str,
        words: &[(&str, T)],
    ) -> Option<T> {
        let kind = self.section.key(name).map_or("", |key| key.kind);
        self.read(reader, name, |text| {
            let found = words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
            found.ok_or_else(|| {
                let near = nearest(text, words.iter().map(|(word, _)| *word));
                let hint = near.map(|word| format!("did you mean {word:?}?"));
                Refusal { text: format!("{text:?} is none of {kind}"), hint }
            })
        })
    }

    /// `true` or `false`.
    pub(crate) fn flag(&self, reader: &mut Reader<'_>, name: &str) -> Option<bool> {
        let flag = self.value(name)?.get_ref().as_bool();
        if flag.is_none() {
            self.wrong_kind(reader, name, "true or false");
        }
        flag
    }

    /// A whole number within a range.
    pub(crate) fn count(
        &self,
        reader: &mut Reader<'_>,
        name: &str,
        range: RangeInclusive<u32>,
    ) -> Option<u32> {
        let value = self.value(name)?;
        let Some(number) = value.get_ref().as_integer() else {
            self.wrong_kind(reader, name, "a whole number");
            return None;
        };
        let digits = number.as_str().replace('_', "");
        let parsed =
            i128::from_str_radix(&digits, number.radix()).ok().and_then(|number| u32::try_from(number).ok());
        let within = parsed.filter(|number| range.contains(number));
        if within.is_none() {
            let wanted = match (*range.start(), *range.end()) {
                (1, u32::MAX) => "must be above 0".to_owned(),
                (low, high) => format!("must be from {low} to {high}"),
            };
            self.problem(reader, name, Refusal::new(format!("{number} is out of range: it {wanted}")));
        }
        within
    }

    /// A string that is a secret: it is not copied, and it is wiped when it is not needed any more.
    pub(crate) fn secret(&self, reader: &mut Reader<'_>, name: &str) -> Option<Secret> {
        let value = self.value(name)?;
        let Some(raw) = value.get_ref().as_str() else {
            self.wrong_kind(reader, name, "a string");
            return None;
        };
        let text = reader.environment.substitute(raw);
        text.map(Secret::new).map_err(|refusal| self.problem(reader, name, refusal)).ok()
    }

    /// Whether the key is given with an array or a table that holds nothing.
    pub(crate) fn is_empty(&self, name: &str) -> bool {
        self.value(name).is_some_and(|value| match value.get_ref() {
            DeValue::Array(items) => items.is_empty(),
            DeValue::Table(entries) => entries.is_empty(),
            _ => false,
        })
    }

    /// An array of strings.
    pub(crate) fn texts(&self, reader: &mut Reader<'_>, name: &str) -> Option<Vec<String>> {
        self.list(reader, name, |text| Ok(text.to_owned()))
    }

    /// An array of strings that `parse` accepts.
    pub(crate) fn list<T>(
        &self,
        reader: &mut Reader<'_>,
        name: &str,
        parse: impl Fn(&str) -> Result<T, Refusal>,
    ) -> Option<Vec<T>> {
        let value = self.value(name)?;
        let Some(items) = value.get_ref().as_array() else {
            self.wrong_kind(reader, name, "an array of strings");
            return None;
        };
        let read = |(index, item)| self.item(reader, &format!("{name}[{index}]"), item, &parse);
        Some(items.iter().enumerate().filter_map(read).collect())
    }

    /// A table of strings under label names.
    pub(crate) fn labels(&self, reader: &mut Reader<'_>, name: &str) -> Option<BTreeMap<String, String>> {
        self.texts_by_name(reader, name, label_name)
    }

    /// A table of strings under names of the operator's choice that `check` accepts.
    pub(crate) fn texts_by_name(
        &self,
        reader: &mut Reader<'_>,
        name: &str,
        check: impl Fn(&str) -> Result<(), Refusal>,
    ) -> Option<BTreeMap<String, String>> {
        let value = self.value(name)?;
        let Some(entries) = value.get_ref().as_table() else {
            self.wrong_kind(reader, name, "a table of strings");
            return None;
        };
        let mut texts = BTreeMap::new();
        for (key, item) in entries {
            let entry = key.get_ref().as_ref();
            let path = format!("{name}.{entry}");
            if let Err(refusal) = check(entry) {
                reader.problem(format!("{}.{path}", self.path), key.span().start, refusal);
            } else if let Some(text) = self.item(reader, &path, item, |text| Ok(text.to_owned())) {
                texts.insert(entry.to_owned(), text);
            }
        }
        Some(texts)
    }

    fn item<T>(
        &self,
        reader: &mut Reader<'_>,
        path: &str,
        item: &Spanned<DeValue<'_>>,
        parse: impl FnOnce(&str) -> Result<T, Refusal>,
    ) -> Option<T> {
        let parsed = if let Some(raw) = item.get_ref().as_str() {
            reader.environment.substitute(raw).and_then(|text| parse(&text))
        } else {
            let found = item.get_ref().type_str();
            Err(Refusal::new(format!("expected a string, found {} {found}", article(found))))
        };
        let key = if self.path.is_empty() { path.to_owned() } else { format!("{}.{path}", self.path) };
        parsed.map_err(|refusal| reader.problem(key, item.span().start, refusal)).ok()
    }

    /// A table within this one, present or not.
    pub(crate) fn table(&self, reader: &mut Reader<'_>, name: &str, section: &'static Section) -> Table<'a> {
        let absent = Table { section, path: self.key(name), offset: self.offset, values: None };
        let Some(value) = self.value(name) else { return absent };
        let Some(values) = value.get_ref().as_table() else {
            self.wrong_kind(reader, name, "a table");
            return absent;
        };
        Self::declared(reader, Table { offset: value.span().start, values: Some(values), ..absent })
    }

    /// An array of tables, such as `[[sinks]]`.
    pub(crate) fn tables(
        &self,
        reader: &mut Reader<'_>,
        name: &str,
        section: &'static Section,
    ) -> Vec<Table<'a>> {
        let Some(value) = self.value(name) else { return Vec::new() };
        let all = value
            .get_ref()
            .as_array()
            .map(|items| items.iter().map(|item| (item.span(), item.get_ref().as_table())));
        let Some(items) = all.filter(|items| items.clone().all(|(_, table)| table.is_some())) else {
            let found = value.get_ref().type_str();
            let refusal =
                Refusal::new(format!("expected an array of tables, found {} {found}", article(found)));
            self.problem(
                reader,
                name,
                refusal.hint(format!("write [[{}]] above each of them", self.key(name))),
            );
            return Vec::new();
        };
        let tables = items.enumerate().map(|(index, (span, values))| {
            let path = format!("{}[{index}]", self.key(name));
            Self::declared(reader, Table { section, path, offset: span.start, values })
        });
        tables.collect()
    }

    /// A table of tables with names of the operator's choice, such as `[credentials.NAME]`.
    pub(crate) fn named_tables(
        &self,
        reader: &mut Reader<'_>,
        name: &str,
        section: &'static Section,
    ) -> Vec<(String, Table<'a>)> {
        let Some(value) = self.value(name) else { return Vec::new() };
        let Some(entries) = value.get_ref().as_table() else {
            self.wrong_kind(reader, name, "a table");
            return Vec::new();
        };
        let here = Table { section, path: self.key(name), offset: value.span().start, values: None };
        let mut tables = Vec::new();
        for (key, item) in entries {
            let name = key.get_ref().to_string();
            let path = here.key(&name);
            if let Some(values) = item.get_ref().as_table() {
                let table = Table { section, path, offset: key.span().start, values: Some(values) };
                tables.push((name, Self::declared(reader, table)));
            } else {
                let refusal = Refusal::new(format!("expected a table, found {}", item.get_ref().type_str()));
                reader.problem(
                    path,
                    key.span().start,
                    refusal.hint(format!("write [{}.NAME] above it", here.path)),
                );
            }
        }
        tables
    }
}

fn article(noun: &str) -> &'static str {
    if noun.starts_with(['a', 'i']) { "an" } else { "a" }
}

/// Where a key that is unknown here would be at home.
fn unknown_key_hint(section: &'static Section, name: &str) -> String {
    let known: Vec<&str> = section.keys.iter().map(|key| key.name).collect();
    if let Some(near) = nearest(name, known.iter().copied()) {
        return format!("did you mean {near:?}?");
    }
    match SECTIONS.iter().find(|other| other.key(name).is_some()) {
        Some(other) if other.name.is_empty() => {
            format!("{name:?} belongs at the top of the file, before any table")
        }
        Some(other) => format!("{name:?} belongs in {}", other.header()),
        None => suggest(name, &known),
    }
}

/// The rule of Prometheus, so that every label can become a metric label.
fn label_name(name: &str) -> Result<(), Refusal> {
    let well_formed = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if well_formed && !name.starts_with("__") {
        return Ok(());
    }
    Err(Refusal::new(format!("{name:?} is not a label name"))
        .hint("letters, digits and underscores, not beginning with a digit or with two underscores"))
}
