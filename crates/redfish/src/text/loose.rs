//! Fields of Redfish JSON that take every shape BMCs send for them: a string, a number or null where the schema says
//! string; a link, a bare path or a list where it says link (T46-T48).
//!
//! A wrong shape reads as absent: it never costs the record. Not here: what the fields mean.

use std::{borrow::Cow, fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{Error, IgnoredAny, MapAccess, SeqAccess, Visitor, value::MapAccessDeserializer},
};

/// A string; numbers and booleans read as their text, anything else as absent.
#[derive(Debug, Clone, Default)]
pub(crate) struct Text<'a>(Option<Cow<'a, str>>);

impl Text<'_> {
    /// The text, `None` when it is absent, empty or blank.
    pub(crate) fn get(&self) -> Option<&str> {
        self.0.as_deref().filter(|text| !text.trim().is_empty())
    }

    /// [`get`](Self::get), owned.
    pub(crate) fn owned(&self) -> Option<String> {
        self.get().map(str::to_owned)
    }
}

/// A list of strings; a single one reads as a list of one, anything else as an empty list. Its places are kept: what
/// is no text in the middle of a list reads as "".
#[derive(Debug, Clone, Default)]
pub(crate) struct Texts(pub(crate) Vec<String>);

/// The path of a link, written `{"@odata.id": path}`, as the path alone, or as a list whose first counts.
#[derive(Debug, Clone, Default)]
pub(crate) struct Link<'a>(Text<'a>);

impl Link<'_> {
    /// The path, `None` when there is none.
    pub(crate) fn path(&self) -> Option<&str> {
        self.0.get()
    }
}

/// An object; anything else reads as one without fields.
#[derive(Debug, Clone, Default)]
pub(crate) struct Object<T>(pub(crate) T);

/// The shapes of scalars that say nothing where something else belongs.
macro_rules! absent {
    ($value:ty: $($visit:ident($scalar:ty)),*) => {$(
        fn $visit<E: Error>(self, _: $scalar) -> Result<$value, E> {
            Ok(<$value>::default())
        }
    )*};
}

/// The shapes of numbers, each handed on as `self.visit_string` of its text.
macro_rules! numbers_as_text {
    ($value:ty: $($visit:ident($number:ty)),*) => {$(
        fn $visit<E: Error>(self, number: $number) -> Result<$value, E> {
            self.visit_string(number.to_string())
        }
    )*};
}

struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Text<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Text<'de>, E> {
        Ok(Text(Some(Cow::Borrowed(text))))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Text<'de>, E> {
        Ok(Text(Some(Cow::Owned(text.to_owned()))))
    }

    fn visit_string<E: Error>(self, text: String) -> Result<Text<'de>, E> {
        Ok(Text(Some(Cow::Owned(text))))
    }

    numbers_as_text!(Text<'de>: visit_u64(u64), visit_i64(i64), visit_f64(f64));

    fn visit_bool<E: Error>(self, value: bool) -> Result<Text<'de>, E> {
        Ok(Text(Some(Cow::Borrowed(if value { "true" } else { "false" }))))
    }

    fn visit_unit<E: Error>(self) -> Result<Text<'de>, E> {
        Ok(Text(None))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Text<'de>, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Text(None))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Text<'de>, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Text(None))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextVisitor)
    }
}

struct TextsVisitor;

impl<'de> Visitor<'de> for TextsVisitor {
    type Value = Texts;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Texts, E> {
        Ok(Texts(if text.is_empty() { Vec::new() } else { vec![text.to_owned()] }))
    }

    numbers_as_text!(Texts: visit_u64(u64), visit_i64(i64), visit_f64(f64));

    absent!(Texts: visit_bool(bool));

    fn visit_unit<E: Error>(self) -> Result<Texts, E> {
        Ok(Texts::default())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Texts, A::Error> {
        let mut texts = Vec::new();
        while let Some(text) = seq.next_element::<Text<'de>>()? {
            texts.push(text.0.map(Cow::into_owned).unwrap_or_default());
        }
        Ok(Texts(texts))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Texts, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Texts::default())
    }
}

impl<'de> Deserialize<'de> for Texts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextsVisitor)
    }
}

struct LinkVisitor;

impl<'de> Visitor<'de> for LinkVisitor {
    type Value = Link<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }

    fn visit_borrowed_str<E: Error>(self, path: &'de str) -> Result<Link<'de>, E> {
        Ok(Link(Text(Some(Cow::Borrowed(path)))))
    }

    fn visit_str<E: Error>(self, path: &str) -> Result<Link<'de>, E> {
        Ok(Link(Text(Some(Cow::Owned(path.to_owned())))))
    }

    absent!(Link<'de>: visit_u64(u64), visit_i64(i64), visit_f64(f64), visit_bool(bool));

    fn visit_unit<E: Error>(self) -> Result<Link<'de>, E> {
        Ok(Link::default())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Link<'de>, A::Error> {
        let first = seq.next_element::<Link<'de>>()?.unwrap_or_default();
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(first)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Link<'de>, A::Error> {
        let mut link = Link::default();
        while let Some(key) = map.next_key::<Text<'de>>()? {
            if key.get() == Some("@odata.id") {
                link = Link(map.next_value()?);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(link)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Link<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(LinkVisitor)
    }
}

struct ObjectVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de> + Default> Visitor<'de> for ObjectVisitor<T> {
    type Value = Object<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }

    absent!(Object<T>: visit_str(&str), visit_u64(u64), visit_i64(i64), visit_f64(f64), visit_bool(bool));

    fn visit_unit<E: Error>(self) -> Result<Object<T>, E> {
        Ok(Object::default())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Object<T>, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Object::default())
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Object<T>, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map)).map(Object)
    }
}

impl<'de, T: Deserialize<'de> + Default> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ObjectVisitor(PhantomData))
    }
}
