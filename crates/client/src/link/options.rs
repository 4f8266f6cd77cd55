//! Options of `fanlight link` as the user wrote them.

use std::path::PathBuf;

use clap::Args;
use fanlight_cli::secret::Secret;

/// Options of `fanlight link` as the user wrote them.
#[derive(Debug, Args)]
#[command(after_help = USE)]
pub struct Options {
    /// The stream
    #[arg(value_name = "STREAM")]
    pub stream: String,

    /// The right of the link: view or publish [default: view]
    #[arg(long, value_name = "ROLE")]
    pub role: Option<String>,

    /// Its validity, 10s to 7d: a number with s, m, h or d [default: 1d]
    #[arg(long = "for", value_name = "TIME")]
    pub validity: Option<String>,

    /// Address of the relay as its viewers reach it, http://HOST:PORT/ or https://…. Without --secret-file, this relay makes
    /// the link [default: the one that a relay with --lan left in the state folder]
    #[arg(long, value_name = "URL")]
    pub relay: Option<String>,

    /// The token for which the link stands. '${NAME}' reads it from the environment, where other users do not see it
    /// [default: the one that a relay with --lan left in the state folder]
    #[arg(long, env = "FANLIGHT_TOKEN", value_name = "TOKEN", hide_env_values = true)]
    pub token: Option<Secret>,

    /// Sign with the relay's secret in this file, without a connection to it [default: without --relay, the one that a relay
    /// with --lan or --tls auto left in the state folder]
    #[arg(long, env = "FANLIGHT_SECRET_FILE", value_name = "FILE")]
    pub secret_file: Option<PathBuf>,

    /// The name of the token's entry in [[access]], to sign with a secret [default: token, the entry of the relay's --token]
    #[arg(long, value_name = "NAME")]
    pub entry: Option<String>,

    /// The state folder of the relay [default: $STATE_DIRECTORY, else $XDG_STATE_HOME/fanlight, else
    /// ~/.local/state/fanlight]
    #[arg(long, env = "FANLIGHT_STATE_FOLDER", value_name = "FOLDER")]
    pub state_folder: Option<PathBuf>,

    /// Trust the certificate authorities in this file, such as a relay's /ca.crt [default: those that the system trusts]
    #[arg(long, value_name = "FILE")]
    pub ca_cert: Option<PathBuf>,

    /// Print the link, its address and its end as one JSON object
    #[arg(long)]
    pub json: bool,
}

/// The use, for `--help`.
const USE: &str = "\
Examples:
  fanlight link door                         on the machine and as the user of a relay with --lan
  fanlight link door --for 1h --relay https://cams.example.org/     the relay makes it; FANLIGHT_TOKEN has the token
  fanlight link door --secret-file secret --relay https://cams.example.org/     signed here, without a connection
A link gives no more rights than its token has, and ends with that token. Everyone with the link can use it, so keep it as safe as the token.
Exit status: 0 printed; 1 the relay cannot be reached, or refuses; 2 invalid options.";
