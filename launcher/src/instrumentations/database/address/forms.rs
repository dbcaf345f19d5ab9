//! The forms of DSNs, one function for each. `None`: malformed, or another form.

use super::Address;
use crate::config::percent_decode;
use crate::instrumentations::http::split_host_port;

/// `scheme://user:password@host:port/path?query`
struct Url<'a> {
    scheme: &'a str,
    /// The first of several.
    host: String,
    port: Option<u16>,
    /// Without the slash.
    path: String,
    query: &'a str,
}

impl<'a> Url<'a> {
    fn read(text: &'a str) -> Option<Self> {
        let (scheme, rest) = text.split_once("://")?;
        let is_scheme = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
        if scheme.is_empty() || !scheme.bytes().all(is_scheme) {
            return None;
        }
        let (authority, rest) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        // One behind the authority is a sign that a part of the password stands there, unescaped.
        if rest.contains('@') {
            return None;
        }
        let hosts = authority.rsplit_once('@').map_or(authority, |(_user, hosts)| hosts);
        let first = hosts.split(',').next().unwrap_or_default();
        let (host, port) = endpoint(&percent_decode(first)?)?;
        let rest = rest.split('#').next().unwrap_or_default();
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        let path = percent_decode(path.strip_prefix('/').unwrap_or(path))?;
        Some(Self { scheme, host, port, path, query })
    }

    /// A parameter of the query, decoded.
    fn parameter(&self, name: &str) -> Option<String> {
        let found =
            self.query.split('&').filter_map(|pair| pair.split_once('=')).find(|(found, _)| found.eq_ignore_ascii_case(name));
        percent_decode(found?.1).filter(|value| !value.is_empty())
    }

    fn is_of(&self, schemes: &[&str]) -> bool {
        schemes.iter().any(|scheme| self.scheme.eq_ignore_ascii_case(scheme))
    }
}

/// Host and port; `None` where a port is no number, or a host has what no host has.
fn endpoint(text: &str) -> Option<(String, Option<u16>)> {
    if text.starts_with('/') {
        return is_path(text).then(|| (text.to_owned(), None));
    }
    let (host, port) = split_host_port(text);
    let host = host.unwrap_or_default();
    let has_port = text.len() > host.len() && !text.ends_with([']', ':']);
    let is_host = host.chars().all(|char| char.is_alphanumeric() || ".-_:%".contains(char));
    (is_host && (port.is_some() || !has_port)).then(|| (host.to_owned(), port))
}

fn is_path(text: &str) -> bool {
    !text.contains(['@', '=', '?', ';', '\0'])
}

fn found(host: &str, port: Option<u16>, namespace: &str) -> Address {
    Address::new(host, port.unwrap_or_default(), namespace)
}

/// A URL, or `host=… port=… dbname=…`. <https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING>
pub(super) fn postgresql(dsn: &str) -> Option<Address> {
    if dsn.contains("://") {
        let url = Url::read(dsn).filter(|url| url.is_of(&["postgres", "postgresql", "pgx", "cockroachdb", "redshift"]))?;
        let host = url.parameter("host").unwrap_or_else(|| url.host.clone());
        let port = match url.parameter("port") {
            Some(port) => Some(port.parse().ok()?),
            None => url.port,
        };
        let database = url.parameter("dbname").or_else(|| url.parameter("database")).unwrap_or(url.path);
        return Some(found(&host, port, &database));
    }
    let pairs = pairs(dsn)?;
    let value = |names: &[&str]| {
        let pair = pairs.iter().rfind(|(key, _)| names.contains(&key.as_str()));
        pair.map_or("", |(_, value)| value)
    };
    let first = |text: &str| text.split(',').next().unwrap_or_default().to_owned();
    let (host, port) = (first(value(&["host"])), first(value(&["port"])));
    let port = if port.is_empty() { None } else { Some(port.parse().ok()?) };
    Some(found(&host, port, value(&["dbname", "database"])))
}

/// `key=value` pairs with blanks between them. A value may be in single quotes, and a backslash hides what follows.
fn pairs(text: &str) -> Option<Vec<(String, String)>> {
    let mut pairs = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let (key, behind) = rest.split_once('=')?;
        let key = key.trim_end();
        if key.is_empty() || !key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
            return None;
        }
        let behind = behind.trim_start();
        let (value, behind) = match behind.strip_prefix('\'') {
            Some(quoted) => unescaped(quoted, |char| char == '\'').filter(|(_, end)| end.starts_with('\''))?,
            None => unescaped(behind, char::is_whitespace)?,
        };
        let behind = behind.strip_prefix('\'').unwrap_or(behind);
        if !behind.is_empty() && !behind.starts_with(char::is_whitespace) {
            return None;
        }
        pairs.push((key.to_ascii_lowercase(), value));
        rest = behind.trim_start();
    }
    Some(pairs)
}

/// What stands before the end, without backslashes, and the rest from the end on.
fn unescaped(text: &str, is_end: impl Fn(char) -> bool) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, char)) = chars.next() {
        if is_end(char) {
            return Some((value, text.get(at..)?));
        }
        value.push(if char == '\\' { chars.next()?.1 } else { char });
    }
    Some((value, ""))
}

/// `user:password@net(address)/database?parameters`. <https://github.com/go-sql-driver/mysql#dsn-data-source-name>
pub(super) fn mysql(dsn: &str) -> Option<Address> {
    let (before, behind) = dsn.rsplit_once('/')?;
    let database = percent_decode(behind.split('?').next().unwrap_or_default())?;
    let place = before.rsplit_once('@').map_or(before, |(_user, place)| place);
    if database.contains(['@', '(', ')', ':']) {
        return None;
    }
    if place.is_empty() {
        return Some(found("", None, &database));
    }
    let (net, address) = place.split_once('(')?;
    let address = address.strip_suffix(')')?;
    if !net.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return None;
    }
    if net == "unix" {
        return is_path(address).then(|| found(address, None, &database));
    }
    let (host, port) = endpoint(address)?;
    Some(found(&host, port, &database))
}

/// The name of a file, with parameters behind it, or `:memory:`. A name of nothing is a database of its own (`SQLite`).
pub(super) fn file(dsn: &str) -> Option<Address> {
    if dsn.contains("://") && !dsn.starts_with("file:") {
        return any(dsn);
    }
    let (name, parameters) = dsn.split_once('?').unwrap_or((dsn, ""));
    let name = percent_decode(name.strip_prefix("file:").unwrap_or(name))?;
    let name = name.strip_prefix("//").map_or(&*name, |path| path.find('/').and_then(|at| path.get(at..)).unwrap_or(path));
    let in_memory = name.is_empty() && parameters.split('&').any(|parameter| parameter == "mode=memory");
    Some(found("", None, if in_memory { ":memory:" } else { name }))
}

/// A URL, or `server=…;database=…`, both with or without an instance. <https://github.com/microsoft/go-mssqldb#connection-parameters-and-dsn>
pub(super) fn sql_server(dsn: &str) -> Option<Address> {
    if dsn.contains("://") {
        let url = Url::read(dsn).filter(|url| url.is_of(&["sqlserver", "mssql", "azuresql"]))?;
        let database = url.parameter("database").unwrap_or_default();
        return Some(Address::of_instance(&url.host, url.port.unwrap_or_default(), &url.path, &database));
    }
    let pairs = settings(dsn.strip_prefix("odbc:").unwrap_or(dsn))?;
    let value = |names: &[&str]| {
        let pair = pairs.iter().rfind(|(key, _)| names.contains(&key.as_str()));
        pair.map_or("", |(_, value)| value)
    };
    let server = value(&["server", "data source", "address", "addr", "network address"]);
    let server = server.strip_prefix("tcp:").unwrap_or(server);
    let (server, port) = server.split_once(',').map_or((server, value(&["port"])), |(server, port)| (server, port));
    let (host, instance) = server.split_once('\\').unwrap_or((server, ""));
    let port = if port.trim().is_empty() { 0 } else { port.trim().parse().ok()? };
    let host = if matches!(host, "." | "(local)") { "localhost" } else { host };
    let (host, None) = endpoint(host)? else { return None };
    Some(Address::of_instance(&host, port, instance, value(&["database", "initial catalog"])))
}

/// `key=value` pairs with semicolons between them. A value may be in braces or double quotes, which are doubled within it.
fn settings(text: &str) -> Option<Vec<(String, String)>> {
    let mut pairs = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let (key, behind) = rest.split_once('=')?;
        let key = key.trim().to_ascii_lowercase();
        if key.is_empty() || key.contains([';', '{', '}', '"']) {
            return None;
        }
        let behind = behind.trim_start();
        let (value, behind) = if let Some(braced) = behind.strip_prefix('{') {
            delimited(braced, '}')?
        } else if let Some(quoted) = behind.strip_prefix('"') {
            delimited(quoted, '"')?
        } else {
            let (value, behind) = behind.split_at(behind.find(';').unwrap_or(behind.len()));
            (value.trim_end().to_owned(), behind)
        };
        let behind = behind.trim_start();
        pairs.push((key, value));
        rest = if behind.is_empty() { behind } else { behind.strip_prefix(';')?.trim_start() };
    }
    Some(pairs)
}

/// What stands before the end, which is doubled within, and the rest behind it.
fn delimited(text: &str, end: char) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut rest = text;
    loop {
        let (before, behind) = rest.split_once(end)?;
        value.push_str(before);
        let Some(more) = behind.strip_prefix(end) else { return Some((value, behind)) };
        value.push(end);
        rest = more;
    }
}

/// A URL, or `user/password@host:port/service`.
pub(super) fn oracle(dsn: &str) -> Option<Address> {
    if dsn.contains("://") {
        let url = Url::read(dsn).filter(|url| url.is_of(&["oracle"]))?;
        return Some(found(&url.host, url.port, &url.path));
    }
    // One `@` only: a password may have some.
    let (_user, place) = dsn.split_once('@').filter(|(user, place)| !user.contains(['=', '"']) && !place.contains('@'))?;
    let place = place.strip_prefix("//").unwrap_or(place);
    let (endpoint_text, service) = place.split_once('/')?;
    let (host, port) = endpoint(endpoint_text)?;
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"._-$#".contains(&byte);
    service.bytes().all(is_name).then(|| found(&host, port, service))
}

/// `clickhouse://user:password@host:port/database`, or with the parameter `database`.
pub(super) fn clickhouse(dsn: &str) -> Option<Address> {
    let url = Url::read(dsn).filter(|url| url.is_of(&["clickhouse", "tcp", "native", "http", "https", "chhttp"]))?;
    let database = url.parameter("database").unwrap_or(url.path);
    Some(found(&url.host, url.port, &database))
}

/// A URL.
pub(super) fn any(dsn: &str) -> Option<Address> {
    let url = Url::read(dsn)?;
    Some(found(&url.host, url.port, &url.path))
}
