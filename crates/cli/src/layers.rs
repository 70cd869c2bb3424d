//! The configuration in its layers: options over environment over file over defaults.
//!
//! Of `redis` three keys name the same thing, the server: whoever names it in a higher layer means that server, however it was
//! named below.

use serde_json::{Map, Value, json};
use usb_daemon_core::{Config, Error, Reading, UrlPart, url_says, url_without};

use crate::platform::outbox_path;
use crate::setting::{Origin, Setting, is_at_or_within};

/// Where the helper that `udev install` installs writes, unless it is told otherwise.
pub(crate) const SPOOL: &str = "/run/autoweave-usb/spool";
const OFF: Value = Value::Bool(false);
/// What names the server. A layer that has one of these takes all of those below that are not its own.
const SERVER: [&str; 4] = ["redis.url", "redis.path", "redis.host", "redis.port"];

/// File, variables and options, each over the one before.
#[derive(Debug)]
pub(crate) struct Layers {
    /// What they make together.
    pub(crate) root: Map<String, Value>,
    file: Map<String, Value>,
    file_name: Option<String>,
    /// What is in force, the strongest last.
    settings: Vec<Setting>,
    /// What somebody has said in vain, and by what that is.
    overruled: Vec<Overruled>,
    faults: Vec<String>,
    /// What `redis` was before a variable turned it off.
    redis_before: Option<Value>,
}

#[derive(Debug)]
struct Overruled {
    path: String,
    by: String,
    origin: Origin,
}

impl Layers {
    /// The file with `settings` over it; `faults` are what is wrong with them already.
    pub(crate) fn new(
        file: Map<String, Value>,
        file_name: Option<String>,
        settings: Vec<Setting>,
        faults: Vec<String>,
    ) -> Self {
        let mut layers = Self {
            root: file.clone(),
            file,
            file_name,
            settings: Vec::new(),
            overruled: Vec::new(),
            faults,
            redis_before: None,
        };
        let (options, variables) = settings.into_iter().partition::<Vec<_>, _>(|one| one.origin.is_option());
        for layer in [variables, options] {
            layers.add(layer);
        }
        add_outbox(&mut layers.root);
        add_spool(&mut layers.root);
        layers
    }

    fn add(&mut self, mut layer: Vec<Setting>) {
        if self.root.get("redis") == Some(&OFF) {
            if layer.iter().any(turns_redis_on) {
                self.settings.retain(|setting| !setting.turns_off("redis"));
                self.root.extend(self.redis_before.take().map(|before| ("redis".to_owned(), before)));
            } else {
                self.leave_out_redis(&mut layer);
            }
        }
        let has = |path: &str| layer.iter().find(|one| one.path == path);
        if let Some(server) = SERVER.iter().find_map(|path| has(path)) {
            let by = format!("{} goes before it", server.origin.name());
            for path in SERVER {
                let belongs = matches!(
                    (path, &*server.path),
                    ("redis.host" | "redis.port", "redis.host" | "redis.port")
                );
                if !belongs && has(path).is_none() {
                    self.drop_key(path, &by);
                }
            }
        }
        for part in UrlPart::ALL {
            let path = format!("redis.{}", part.key());
            if has("redis.url").is_none() && has(&path).is_some() {
                self.take_from_url(part);
            }
        }
        for setting in layer {
            if setting.turns_off("redis") {
                self.redis_before = self.root.get("redis").cloned();
            }
            setting.put_into(&mut self.root);
            self.settings.push(setting);
        }
    }

    /// An ambient variable does not publish what somebody has said is not to be published.
    fn leave_out_redis(&mut self, layer: &mut Vec<Setting>) {
        let by = format!("redis is false ({})", self.origin("redis").name());
        let idle = layer.extract_if(.., |one| one.path.starts_with("redis."));
        self.overruled.extend(idle.map(|Setting { path, origin, .. }| Overruled {
            path,
            by: by.clone(),
            origin,
        }));
    }

    /// Takes away what a lower layer has said.
    fn drop_key(&mut self, path: &str, by: &str) {
        let key = path.trim_start_matches("redis.");
        let origin = self.origin(path);
        let Some(Value::Object(redis)) = self.root.get_mut("redis") else { return };
        if redis.remove(key).is_some() {
            self.settings.retain(|setting| setting.path != path);
            self.overruled.push(Overruled { path: path.into(), by: by.into(), origin });
        }
    }

    fn take_from_url(&mut self, part: UrlPart) {
        let Some(Value::Object(redis)) = self.root.get_mut("redis") else { return };
        if let Some(Value::String(url)) = redis.get_mut("url")
            && url_says(url, part)
        {
            *url = url_without(url, part);
        }
    }

    /// The option or variable that says what is at `path`.
    fn deciding(&self, path: &str) -> Option<&Setting> {
        self.settings.iter().rev().find(|setting| setting.decides(path))
    }

    /// Where the value at `path` comes from.
    pub(crate) fn origin(&self, path: &str) -> Origin {
        if let Some(setting) = self.deciding(path) {
            return setting.origin.clone();
        }
        match &self.file_name {
            Some(name) if self.root_has(path) && says(&self.file, path) => Origin::File(name.clone()),
            _ => Origin::Default,
        }
    }

    /// Whether what the file says there has not been taken away.
    fn root_has(&self, path: &str) -> bool {
        !SERVER.contains(&path) || says(&self.root, path)
    }

    /// Keys that the file gives another value than the one that is in force, each with what goes before it.
    pub(crate) fn hidden(&self) -> Vec<(String, Origin)> {
        let mut hidden = Vec::new();
        let root = Value::Object(self.root.clone());
        leaves(&Value::Object(self.file.clone()), "", &mut |path, value| {
            let pointer = format!("/{}", path.replace('.', "/"));
            if let Some(setting) = self.deciding(path).filter(|_| root.pointer(&pointer) != Some(value)) {
                hidden.push((path.to_owned(), setting.origin.clone()));
            }
        });
        hidden
    }

    /// The file alone, then all together: a bad value in the file does not become good by being hidden.
    ///
    /// # Errors
    /// `ERR_USB_CONFIG` naming all that is wrong, with the option or variable that it comes from.
    pub(crate) fn read(&self) -> Result<Reading, Error> {
        let mut faults = self.faults.clone();
        let mut file = self.file.clone();
        add_outbox(&mut file);
        let of_file = faults_of(Config::read(&Value::Object(file).to_string()));
        faults.extend(of_file.into_iter().filter(|fault| self.is_hidden(fault)));
        let mut reading = Config::read(&Value::Object(self.root.clone()).to_string());
        if let Err(error) = &mut reading {
            faults.extend(std::mem::take(&mut error.faults).into_iter().map(|fault| self.with_origin(fault)));
        }
        let mut reading = match reading {
            Ok(reading) if faults.is_empty() => reading,
            _ => return Err(Error::of_faults(faults)),
        };
        let overruled = self.overruled.iter();
        let said =
            overruled.map(|one| format!("{} ({}) has no effect: {}", one.path, one.origin.name(), one.by));
        reading.warnings.extend(said);
        Ok(reading)
    }

    fn is_hidden(&self, fault: &str) -> bool {
        let path = path_of(fault);
        self.deciding(path).is_some() || self.overruled.iter().any(|one| is_at_or_within(path, &one.path))
    }

    fn with_origin(&self, fault: String) -> String {
        let path = path_of(&fault);
        match self.deciding(path) {
            Some(setting) => format!("{path} ({}){}", setting.origin.name(), &fault[path.len()..]),
            None => fault,
        }
    }
}

fn faults_of(reading: Result<Reading, Error>) -> Vec<String> {
    reading.err().map(|error| error.faults).unwrap_or_default()
}

/// Each begins with the path of its key.
fn path_of(fault: &str) -> &str {
    fault.split([' ', ':']).next().unwrap_or_default()
}

/// Whoever says so, or names a server, on purpose.
fn turns_redis_on(setting: &Setting) -> bool {
    let is_on_purpose = setting.origin.is_option() || setting.origin.name() == "USB_DAEMON_SET";
    setting.path == "redis"
        || setting.path == "redis.url"
        || (is_on_purpose && setting.path.starts_with("redis."))
}

/// The command line keeps its events, unless somebody says otherwise.
fn add_outbox(root: &mut Map<String, Value>) {
    // Whatever else is there is refused, by name, when the configuration is read.
    if let Value::Object(outbox) = root.entry("outbox").or_insert_with(|| json!({}))
        && !outbox.contains_key("path")
        && let Some(default) = outbox_path::default()
    {
        outbox.insert("path".into(), default.to_string_lossy().into());
    }
}

/// The command line takes what the helper of udev has written down, unless somebody says otherwise.
pub(crate) fn add_spool(root: &mut Map<String, Value>) {
    if cfg!(target_os = "linux")
        && let Value::Object(fallback) = root.entry("fallback").or_insert_with(|| json!({}))
    {
        fallback.entry("spool_path").or_insert_with(|| SPOOL.into());
    }
}

/// Whether the file decides what is at `path`: by itself, or by what stands in the place of all around it.
fn says(file: &Map<String, Value>, path: &str) -> bool {
    let (key, rest) = path.split_once('.').map_or((path, None), |(key, rest)| (key, Some(rest)));
    match (file.get(key), rest) {
        (Some(Value::Object(inner)), Some(rest)) => says(inner, rest),
        // A section that is off, but for an option that has put its own there.
        (None, _) | (Some(Value::Bool(false)), Some(_)) => false,
        (Some(_), _) => true,
    }
}

/// Each key that holds no others.
pub(crate) fn leaves(value: &Value, path: &str, each: &mut impl FnMut(&str, &Value)) {
    let Value::Object(object) = value else { return each(path, value) };
    for (key, value) in object {
        let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        leaves(value, &path, each);
    }
}

#[cfg(test)]
mod tests;
