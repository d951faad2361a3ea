//! A recording of a real machine, served as it answered: a folder of `redfish/v1/**/index.json`. It has no
//! levers and no stream, and any credentials will do.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};

use crate::{
    answer,
    stream::{self, Body},
};

/// Folders deeper than this are not Redfish.
const DEPTH_MAX: usize = 16;

const SESSIONS: &str = "/redfish/v1/SessionService/Sessions";

/// A recording, read whole.
pub struct Recording {
    pages: BTreeMap<String, Bytes>,
}

impl Recording {
    /// Reads every `index.json` under `<folder>/redfish/v1`.
    ///
    /// # Errors
    /// When a folder or file cannot be read, or there is no service root.
    pub fn load(folder: impl AsRef<Path>) -> io::Result<Arc<Self>> {
        let mut pages = BTreeMap::new();
        let mut open: Vec<(PathBuf, String, usize)> =
            vec![(folder.as_ref().join("redfish/v1"), "/redfish/v1".to_owned(), 0)];
        while let Some((folder, path, depth)) = open.pop() {
            for item in fs::read_dir(&folder)? {
                let item = item?;
                let name = item.file_name().to_string_lossy().into_owned();
                if name == "index.json" {
                    pages.insert(path.clone(), fs::read(item.path())?.into());
                } else if item.file_type()?.is_dir() && depth < DEPTH_MAX {
                    open.push((item.path(), format!("{path}/{name}"), depth + 1));
                }
            }
        }
        if !pages.contains_key("/redfish/v1") {
            return Err(io::Error::new(io::ErrorKind::NotFound, "find the service root of the recording"));
        }
        Ok(Arc::new(Self { pages }))
    }

    /// Answers one request. Pages after the first were not recorded: `$skip` and `$skiptoken` get 404.
    pub fn handle<B>(&self, request: &Request<B>) -> Response<Body> {
        let path = request.uri().path().trim_end_matches('/');
        if request.method() == Method::POST && path == SESSIONS {
            return session();
        }
        if request.method() == Method::DELETE && path.starts_with(SESSIONS) {
            let mut response = Response::new(stream::whole(Bytes::new()));
            *response.status_mut() = StatusCode::NO_CONTENT;
            return response;
        }
        if request.method() != Method::GET {
            return answer::not_allowed();
        }
        let later_page = request.uri().query().is_some_and(|query| query.contains("skip"));
        match self.pages.get(path).filter(|_| !later_page) {
            None => answer::missing(path),
            Some(page) => {
                let mut response = Response::new(stream::whole(page.clone()));
                let json = HeaderValue::from_static("application/json");
                response.headers_mut().insert(header::CONTENT_TYPE, json);
                response
            }
        }
    }
}

fn session() -> Response<Body> {
    let mut response = Response::new(stream::whole(r#"{"Id":"recorded","Name":"User Session"}"#));
    *response.status_mut() = StatusCode::CREATED;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert("x-auth-token", HeaderValue::from_static("recorded"));
    headers
        .insert(header::LOCATION, HeaderValue::from_static("/redfish/v1/SessionService/Sessions/recorded"));
    response
}
