//! Who vouches for a server, for encrypted connections.

use crate::ServerError;
use crate::folder::Folder;
use crate::process::{find, run};
use std::path::{Path, PathBuf};
use std::process::Command;

/// What `openssl` is told, and told alone: what a system has set up for it differs.
const SETTINGS: &str = "\
[req]
prompt = no
distinguished_name = name
x509_extensions = authority
[name]
CN = authority
[authority]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign
subjectKeyIdentifier = hash
[server]
basicConstraints = critical, CA:FALSE
extendedKeyUsage = serverAuth
subjectAltName = IP:127.0.0.1, DNS:localhost
";

/// An authority that nobody knows yet, and a server's certificate of its.
#[derive(Debug)]
pub struct Authority {
    folder: Folder,
}

impl Authority {
    /// Makes one.
    ///
    /// # Errors
    /// When `openssl` is missing (the error says what to type) or refuses.
    pub fn new() -> Result<Self, ServerError> {
        let authority = Self { folder: Folder::new("authority")? };
        let written = std::fs::write(authority.file("settings"), SETTINGS);
        written.map_err(|error| ServerError::because("the settings of an authority cannot be written", error))?;
        let keys = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
        let request = ["req", "-config", "settings"].into_iter().chain(keys);
        let signed = ["-x509", "-days", "30", "-keyout", "authority.key", "-out", "authority.pem"];
        authority.openssl(request.clone().chain(signed))?;
        let asked = ["-new", "-subj", "/CN=server", "-keyout", "server.key", "-out", "server.csr"];
        authority.openssl(request.chain(asked))?;
        let sign = ["x509", "-req", "-in", "server.csr", "-CA", "authority.pem", "-CAkey", "authority.key"];
        let grant = ["-CAcreateserial", "-days", "30", "-extfile", "settings", "-extensions", "server"];
        authority.openssl(sign.into_iter().chain(grant).chain(["-out", "server.pem"]))?;
        Ok(authority)
    }

    fn openssl<'a>(&self, arguments: impl IntoIterator<Item = &'a str>) -> Result<(), ServerError> {
        let mut command = Command::new(find("openssl")?);
        run("a certificate cannot be made", command.args(arguments).current_dir(self.folder.path()))
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The file with its own certificate, for who is to trust it.
    #[must_use]
    pub fn certificate(&self) -> PathBuf {
        self.file("authority.pem")
    }

    /// The files that a server shows and keeps to itself.
    pub(crate) fn of_the_server(&self) -> [PathBuf; 2] {
        [self.file("server.pem"), self.file("server.key")]
    }
}

/// A path, as an argument.
pub(crate) fn text(path: &Path) -> String {
    path.display().to_string()
}
