//! A real browser: headless Chromium, steered over its debugging protocol on a pipe. It opens the status page as an
//! operator does, and tells everything that a browser complains about: errors in scripts, refused content, failed loads.

use std::{process::Stdio, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    process::{Child, ChildStdin, ChildStdout, Command},
    time::{Instant, sleep, timeout},
};

use crate::daemon::PATIENCE;

/// How often a condition is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(25);

/// Debian's package `chromium`.
const PROGRAM: &str = "chromium";

/// How it is started: with an empty profile, and nothing that it does of its own accord. The sandbox needs privileges
/// that a container has not; every page that is opened here is our own.
const SWITCHES: &str = "--headless=new --no-sandbox --disable-gpu --disable-dev-shm-usage --no-first-run \
     --disable-background-networking --disable-component-update --disable-sync --disable-extensions --mute-audio \
     --hide-scrollbars --remote-debugging-pipe";

/// A browser with one page.
pub(crate) struct Browser {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
    asked: u64,
    session: Option<String>,
    /// Events that came while answers were waited for.
    events: Vec<Value>,
    _profile: TempDir,
}

impl Browser {
    /// Starts it with an empty page.
    pub(crate) async fn start() -> Self {
        let profile = tempfile::tempdir().expect("a directory for temporary files");
        let mut shell = Command::new("/bin/sh");
        // The pipe is on the descriptors 3 and 4.
        let script =
            format!("exec {PROGRAM} {SWITCHES} --user-data-dir=\"$0\" 3<&0 4>&1 </dev/null >/dev/null 2>&1");
        shell.args(["-c", &script]).arg(profile.path()).env("HOME", profile.path());
        shell.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
        let mut child = shell.spawn().expect("there is a shell");
        let to = child.stdin.take().expect("it is piped");
        let from = BufReader::new(child.stdout.take().expect("it is piped"));
        let mut browser =
            Self { child, to, from, asked: 0, session: None, events: Vec::new(), _profile: profile };
        let target = browser.call("Target.createTarget", json!({"url": "about:blank"})).await;
        let attach = json!({"targetId": target["targetId"], "flatten": true});
        let attached = browser.call("Target.attachToTarget", attach).await;
        browser.session = attached["sessionId"].as_str().map(str::to_owned);
        for domain in ["Page", "Runtime", "Log", "Network"] {
            browser.call(&format!("{domain}.enable"), json!({})).await;
        }
        browser.look(1440, 900, "light").await;
        browser
    }

    /// How the page is looked at: its size, and the colours that the reader prefers.
    pub(crate) async fn look(&mut self, width: u32, height: u32, colours: &str) {
        let phone = width < 600;
        let size = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": phone});
        self.call("Emulation.setDeviceMetricsOverride", size).await;
        let feature = json!({"name": "prefers-color-scheme", "value": colours});
        self.call("Emulation.setEmulatedMedia", json!({"features": [feature]})).await;
    }

    /// Opens an address; what it says is not waited for.
    pub(crate) async fn open(&mut self, address: &str) {
        let opened = self.call("Page.navigate", json!({"url": address})).await;
        assert!(opened.get("errorText").is_none(), "{address}: {opened}");
    }

    /// What an expression is in the page.
    pub(crate) async fn value(&mut self, expression: &str) -> Value {
        let asked = json!({"expression": expression, "returnByValue": true, "awaitPromise": true});
        let answer = self.call("Runtime.evaluate", asked).await;
        assert!(answer.get("exceptionDetails").is_none(), "{expression}: {answer}");
        answer["result"]["value"].clone()
    }

    /// What an element shows.
    pub(crate) async fn text(&mut self, selector: &str) -> String {
        let found = self.value(&format!("document.querySelector({selector:?})?.innerText ?? ''")).await;
        found.as_str().expect("a text").to_owned()
    }

    /// Waits until an expression is true in the page; says how long that took.
    pub(crate) async fn until(&mut self, expression: &str) -> Duration {
        let begun = Instant::now();
        // While a page is being left, there is none to ask.
        while self
            .value(&format!(
                "Boolean((() => {{ try {{ return {expression} }} catch {{ return false }} }})())"
            ))
            .await
            != Value::Bool(true)
        {
            if begun.elapsed() > PATIENCE {
                let shown = self.text("body").await;
                panic!("not {expression}: {:#?}\n{shown}", self.complaints());
            }
            sleep(LOOK_EVERY).await;
        }
        begun.elapsed()
    }

    /// Clicks an element.
    pub(crate) async fn click(&mut self, selector: &str) {
        self.value(&format!("document.querySelector({selector:?}).click()")).await;
    }

    /// Types into a field.
    pub(crate) async fn fill(&mut self, selector: &str, text: &str) {
        let script = format!(
            "{{ const field = document.querySelector({selector:?}); field.value = {text:?}; \
             for (const name of ['input', 'change']) field.dispatchEvent(new Event(name, {{bubbles: true}})); }}"
        );
        self.value(&script).await;
    }

    /// The page as a picture (PNG).
    pub(crate) async fn picture(&mut self) -> Vec<u8> {
        let shot = self.call("Page.captureScreenshot", json!({"format": "png"})).await;
        STANDARD.decode(shot["data"].as_str().expect("a picture")).expect("base64")
    }

    /// Everything that a browser complained about since it was asked last.
    pub(crate) fn complaints(&mut self) -> Vec<Value> {
        let complains = |event: &Value| match event["method"].as_str() {
            Some("Runtime.exceptionThrown" | "Network.loadingFailed") => event["params"]["canceled"] != true,
            Some("Runtime.consoleAPICalled") => {
                matches!(event["params"]["type"].as_str(), Some("error" | "warning" | "assert"))
            }
            Some("Log.entryAdded") => {
                matches!(event["params"]["entry"]["level"].as_str(), Some("error" | "warning"))
            }
            _ => false,
        };
        self.events.drain(..).filter(complains).collect()
    }

    /// Ends it.
    pub(crate) async fn close(mut self) {
        self.session = None;
        self.call("Browser.close", json!({})).await;
        timeout(PATIENCE, self.child.wait()).await.expect("it ends when asked").expect("it is our child");
    }

    async fn call(&mut self, method: &str, parameters: Value) -> Value {
        self.asked += 1;
        let mut message = json!({"id": self.asked, "method": method, "params": parameters});
        if let Some(session) = &self.session {
            message["sessionId"] = session.as_str().into();
        }
        let mut bytes = message.to_string().into_bytes();
        bytes.push(0);
        self.to.write_all(&bytes).await.expect("the browser listens; is Debian's package `chromium` there?");
        loop {
            let mut answer = Vec::new();
            let read = timeout(PATIENCE, self.from.read_until(0, &mut answer)).await;
            let read = read.unwrap_or_else(|_| panic!("the browser does not answer to {method}"));
            assert!(
                read.expect("a pipe") > 0,
                "the browser has ended; is Debian's package `chromium` there?"
            );
            answer.pop();
            let answer: Value = serde_json::from_slice(&answer).expect("the browser speaks JSON");
            if answer["id"] == self.asked {
                assert!(answer.get("error").is_none(), "{method}: {answer}");
                return answer["result"].clone();
            }
            self.events.push(answer);
        }
    }
}
