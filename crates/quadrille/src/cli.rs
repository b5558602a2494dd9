//! The command line.

use std::{collections::BTreeSet, fmt, net::IpAddr, path::PathBuf, time::Duration};

use clap::{
    Args, CommandFactory, Parser, Subcommand, ValueEnum,
    error::{ContextKind, ContextValue, ErrorKind},
};
use contract::Country;

use crate::{
    client::{
        account::AccountArgs, dead_letters::DeadLettersArgs, order::OrderArgs, orders::OrdersArgs,
        status::StatusArgs, stock::StockArgs, trace::TraceArgs,
    },
    hints, output,
};

/// An order saga as a choreography of five services on Kafka.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100, after_help = EXAMPLES)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
    /// Print one JSON document on stdout, or one per line while following
    #[arg(long, global = true)]
    pub json: bool,
    #[command(flatten)]
    pub logging: Logging,
}

const EXAMPLES: &str = "\
Examples:
  quadrille demo                                       see an order for every ending
  quadrille up                                         a sandbox with a broker of its own, for kcat
  quadrille account deposit ada 50000                  in another terminal: ada has 500.00 EUR,
  quadrille stock receive tea 10                       there are 10 packets of tea,
  quadrille order place --customer ada --item tea:2:2499 --wait

Exit codes: 0 done, 1 failed, 2 wrong usage; others where a command says so.";

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run every service in one process: a sandbox, or on the Kafka of KAFKA_BOOTSTRAP_SERVERS
    Up(Up),
    /// Watch one order for every ending, in a sandbox
    #[command(after_help = "Example:\n  quadrille demo")]
    Demo,
    /// Run the named services on the Kafka of KAFKA_BOOTSTRAP_SERVERS
    Serve(Serve),
    /// Place, show or cancel an order
    #[command(after_help = "Example:\n  quadrille order place --customer ada --item tea:2:2499 --wait")]
    Order(OrderArgs),
    /// Receive stock, or show what there is of a SKU
    #[command(after_help = "Example:\n  quadrille stock receive tea 10")]
    Stock(StockArgs),
    /// Deposit funds, or show a customer's account
    #[command(after_help = "Example:\n  quadrille account deposit ada 50000")]
    Account(AccountArgs),
    /// Show what happened to an order across all services, and what it waits for
    Trace(TraceArgs),
    /// List orders, newest first
    Orders(OrdersArgs),
    /// List, show, redrive, discard or edit input that could not be used
    #[command(after_help = "Example:\n  quadrille dead-letters list")]
    DeadLetters(DeadLettersArgs),
    /// Show each service and lane, and the last trouble; and what is hosted nowhere
    Status(StatusArgs),
    /// Make, verify or print the topics
    #[command(after_help = "Example:\n  quadrille topics check --kafka-bootstrap-servers localhost:9092")]
    Topics(Topics),
    /// Print who reacts to what with what, found out by running the services' rules
    #[command(after_help = "\
Examples:
  quadrille map --format mermaid
  quadrille map --format asyncapi > asyncapi.json")]
    Map {
        /// For a terminal, a page that draws Mermaid, or tools that read AsyncAPI 3.0; --json has a
        /// form of its own
        #[arg(long, value_enum, default_value = "text")]
        format: MapFormat,
    },
    /// Print what makes a shell complete these commands
    #[command(after_help = "\
Examples:
  source <(quadrille completions bash)
  quadrille completions fish > ~/.config/fish/completions/quadrille.fish")]
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  quadrille up
  quadrille up --except shipping                       see an order wait, or play shipping with kcat
  KAFKA_BOOTSTRAP_SERVERS=localhost:9092 quadrille up  stores in ./data")]
pub struct Up {
    /// Where the sandbox's broker listens; has no effect with KAFKA_BOOTSTRAP_SERVERS
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:9092", value_parser = address)]
    pub kafka_addr: String,
    /// Where HTTP is served
    #[arg(long, env = "HTTP_ADDR", hide_env_values = true, value_name = "HOST:PORT", default_value = "127.0.0.1:8080", value_parser = address)]
    pub http_addr: String,
    /// Leave a service out; repeatable
    #[arg(long, value_name = "SERVICE")]
    pub except: Vec<ServiceName>,
    #[command(flatten)]
    pub access: HttpAccess,
    #[command(flatten)]
    pub kafka: Kafka,
    #[command(flatten)]
    pub store: Store,
    #[command(flatten)]
    pub rules: Rules,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  KAFKA_BOOTSTRAP_SERVERS=localhost:9092 quadrille serve payment inventory --data-dir ./data")]
pub struct Serve {
    /// The services, or all
    #[arg(required = true, value_name = "SERVICE")]
    pub services: Vec<ServiceOrAll>,
    /// Where HTTP is served [default: 127.0.0.1:8080, or another port where a process has that]
    #[arg(long, env = "HTTP_ADDR", hide_env_values = true, value_name = "HOST:PORT", value_parser = address)]
    pub http_addr: Option<String>,
    /// Where another process serves HTTP, which is asked for that service; comma-separated
    #[arg(long, env = "HTTP_PEERS", hide_env_values = true, value_name = "SERVICE=URL,...", value_delimiter = ',', value_parser = peer)]
    pub http_peers: Vec<(ServiceName, String)>,
    #[command(flatten)]
    pub access: HttpAccess,
    #[command(flatten)]
    pub kafka: Kafka,
    #[command(flatten)]
    pub store: Store,
    #[command(flatten)]
    pub rules: Rules,
}

#[derive(Debug, Args)]
pub struct Topics {
    #[command(subcommand)]
    pub command: TopicsCommand,
    #[command(flatten)]
    pub kafka: Kafka,
}

#[derive(Debug, Subcommand)]
pub enum TopicsCommand {
    /// Make the topics that are missing; may be run twice
    #[command(after_help = "Example:\n  quadrille topics apply --partitions 12 --replication-factor 3")]
    Apply {
        /// Of every topic
        #[arg(long, default_value_t = contract::topics::PARTITIONS, value_parser = clap::value_parser!(i32).range(1..=1000))]
        partitions: i32,
        /// Of every topic; the broker's default if not given
        #[arg(long, value_parser = clap::value_parser!(i32).range(1..=100))]
        replication_factor: Option<i32>,
    },
    /// Verify the topics; exit 1 and name every difference if they are not as described
    #[command(after_help = "Example:\n  quadrille topics check")]
    Check,
    /// Print the topics' description
    #[command(after_help = "Example:\n  quadrille topics list --json")]
    List,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, ValueEnum)]
pub enum ServiceName {
    Order,
    Payment,
    Inventory,
    Shipping,
    Notification,
    Tracker,
}

impl ServiceName {
    /// Every service.
    pub fn all() -> impl Iterator<Item = ServiceName> {
        ServiceName::value_variants().iter().copied()
    }
}

impl fmt::Display for ServiceName {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(match self {
            ServiceName::Order => "order",
            ServiceName::Payment => "payment",
            ServiceName::Inventory => "inventory",
            ServiceName::Shipping => "shipping",
            ServiceName::Notification => "notification",
            ServiceName::Tracker => "tracker",
        })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ServiceOrAll {
    Order,
    Payment,
    Inventory,
    Shipping,
    Notification,
    Tracker,
    All,
}

impl ServiceOrAll {
    /// The services that it stands for.
    pub fn names(self) -> Vec<ServiceName> {
        match self {
            ServiceOrAll::Order => vec![ServiceName::Order],
            ServiceOrAll::Payment => vec![ServiceName::Payment],
            ServiceOrAll::Inventory => vec![ServiceName::Inventory],
            ServiceOrAll::Shipping => vec![ServiceName::Shipping],
            ServiceOrAll::Notification => vec![ServiceName::Notification],
            ServiceOrAll::Tracker => vec![ServiceName::Tracker],
            ServiceOrAll::All => ServiceName::value_variants().to_vec(),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum MapFormat {
    Text,
    Mermaid,
    Asyncapi,
}

/// Who may ask over HTTP.
#[derive(Debug, Args)]
pub struct HttpAccess {
    /// Further names that this server answers to, comma-separated
    #[arg(long, env = "HTTP_HOSTS", hide_env_values = true, value_name = "NAME,...", value_delimiter = ',', value_parser = host)]
    pub http_hosts: Vec<String>,
    /// A file of bearer tokens to ask for, one a line: `TOKEN read` or `TOKEN act`
    #[arg(long, env = "HTTP_TOKEN_FILE", hide_env_values = true, value_name = "FILE")]
    pub http_token_file: Option<PathBuf>,
}

/// How to reach Kafka.
#[derive(Args, Default, Clone)]
pub struct Kafka {
    /// The brokers of an Apache Kafka, comma-separated
    #[arg(long, global = true, value_name = "HOST:PORT,...", env = "KAFKA_BOOTSTRAP_SERVERS", hide_env_values = true, help_heading = "Kafka", value_parser = addresses)]
    pub kafka_bootstrap_servers: Option<String>,
    /// How connections to Kafka are secured
    #[arg(long, global = true, env = "KAFKA_SECURITY_PROTOCOL", hide_env_values = true, help_heading = "Kafka",
          value_parser = ["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"])]
    pub kafka_security_protocol: Option<String>,
    /// How the program proves to Kafka who it is
    #[arg(long, global = true, env = "KAFKA_SASL_MECHANISM", hide_env_values = true, help_heading = "Kafka",
          value_parser = ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])]
    pub kafka_sasl_mechanism: Option<String>,
    /// As whom
    #[arg(long, global = true, env = "KAFKA_SASL_USERNAME", hide_env_values = true, help_heading = "Kafka")]
    pub kafka_sasl_username: Option<String>,
    /// The secret; better given in the environment
    #[arg(long, global = true, env = "KAFKA_SASL_PASSWORD", hide_env_values = true, help_heading = "Kafka")]
    pub kafka_sasl_password: Option<String>,
    /// The file of the certificate authority
    #[arg(
        long,
        global = true,
        env = "KAFKA_SSL_CA_LOCATION",
        hide_env_values = true,
        help_heading = "Kafka",
        value_name = "FILE"
    )]
    pub kafka_ssl_ca_location: Option<String>,
}

impl fmt::Debug for Kafka {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.debug_struct("Kafka")
            .field("bootstrap_servers", &self.kafka_bootstrap_servers)
            .finish_non_exhaustive()
    }
}

/// Where the services keep what they know.
#[derive(Debug, Args, Clone)]
pub struct Store {
    /// The stores: sqlite://FOLDER, or for a single service sqlite://FILE.db
    #[arg(long, env = "DATABASE_URL", hide_env_values = true, help_heading = "Stores", value_name = "URL")]
    pub database_url: Option<String>,
    /// The folder of the stores; the same as DATABASE_URL=sqlite://FOLDER [default: ./data]
    #[arg(long, value_name = "FOLDER", conflicts_with = "database_url", help_heading = "Stores")]
    pub data_dir: Option<PathBuf>,
    /// How long an order that ended is remembered
    #[arg(long, env = "RETENTION", hide_env_values = true, help_heading = "Stores", value_name = "DURATION", default_value = "30d", value_parser = duration)]
    pub retention: Duration,
}

/// What the services' rules depend on.
#[derive(Debug, Args, Clone)]
pub struct Rules {
    /// How long an order may take to be confirmed
    #[arg(long, env = "ORDER_DEADLINE", hide_env_values = true, help_heading = "Rules", value_name = "DURATION", default_value = "60s", value_parser = duration)]
    pub order_deadline: Duration,
    /// Where shipping ships to, comma-separated [default: the EU and EEA, CH, GB, US, CA]
    #[arg(long, env = "SHIPPING_COUNTRIES", hide_env_values = true, help_heading = "Rules", value_name = "CC,...", value_parser = countries)]
    pub shipping_countries: Option<BTreeSet<String>>,
}

/// What the program says of itself, on stderr.
#[derive(Debug, Args)]
pub struct Logging {
    /// The form of log lines
    #[arg(
        long,
        env = "LOG_FORMAT",
        hide_env_values = true,
        help_heading = "Logging",
        value_enum,
        default_value = "text",
        global = true
    )]
    pub log_format: LogFormat,
    /// What to log, e.g. warn, or runtime=debug,librdkafka=debug [default: info for up, serve and topics, else warn]
    #[arg(long, env = "RUST_LOG", hide_env_values = true, help_heading = "Logging", value_name = "FILTER", global = true, value_parser = filter)]
    pub rust_log: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    Text,
    Json,
}

/// Says what is wrong with the command line, and ends the program: with 2, unless help was asked for.
pub fn refuse(mut error: clap::Error) -> ! {
    // A flag and its variable differ in form only; whoever has set the variable knows it by its name.
    if let Some(ContextValue::String(flag)) = error.get(ContextKind::InvalidArg) {
        let flag = flag.split_whitespace().next().unwrap_or_default();
        let variable = flag.trim_start_matches('-').replace('-', "_").to_uppercase();
        if std::env::var_os(&variable).is_some() {
            // That nobody reads it does not change that it is wrong.
            let _ = output::message(format_args!("{variable} is set to something that is not allowed:"));
        }
    }
    let words: Vec<String> = std::env::args().skip(1).collect();
    hints::add(&mut error, &Cli::command(), &words);
    error.exit()
}

/// Refuses a value that clap could not judge, and ends the program with 2.
pub fn refuse_value(what: impl fmt::Display) -> ! {
    Cli::command().error(ErrorKind::InvalidValue, what).exit()
}

fn addresses(text: &str) -> Result<String, String> {
    text.split(',').try_for_each(|part| address(part.trim()).map(|_| ()))?;
    Ok(text.to_owned())
}

fn address(text: &str) -> Result<String, String> {
    match text.rsplit_once(':') {
        Some((host, port)) if !host.is_empty() && port.parse::<u16>().is_ok() => Ok(text.to_owned()),
        _ => Err("an address is HOST:PORT, such as 127.0.0.1:9092".to_owned()),
    }
}

fn host(text: &str) -> Result<String, String> {
    let name = text.trim();
    if let Ok(address) = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>() {
        return Ok(address.to_string());
    }
    match !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b)) {
        true => Ok(name.to_owned()),
        false => Err("a host is a name or an address, without a port, such as shop.example".to_owned()),
    }
}

fn peer(text: &str) -> Result<(ServiceName, String), String> {
    let (service, url) = text.split_once('=').unwrap_or_default();
    let service = ServiceName::from_str(service.trim(), false);
    match (service, url.trim().trim_end_matches('/').strip_prefix("http://")) {
        (Ok(service), Some(rest)) if address(rest).is_ok() => Ok((service, format!("http://{rest}"))),
        _ => Err("a peer is SERVICE=http://HOST:PORT, such as payment=http://payment:8080".to_owned()),
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(duration) if !duration.is_zero() => Ok(duration),
        _ => {
            Err("a duration is a number with a unit, and more than nothing: 500ms, 60s, 5m, 12h, 30d"
                .to_owned())
        }
    }
}

fn countries(text: &str) -> Result<BTreeSet<String>, String> {
    text.split(',').map(|code| Country::try_from(code.trim()).map(|country| country.to_string())).collect()
}

fn filter(text: &str) -> Result<String, String> {
    match text.parse::<tracing_subscriber::EnvFilter>() {
        Ok(_) => Ok(text.to_owned()),
        Err(e) => Err(format!(
            "{e}; allowed are levels (error, warn, info, debug, trace) and target=level, comma-separated"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn durations_have_a_unit_and_are_not_zero() {
        assert_eq!(duration("60s"), Ok(Duration::from_secs(60)));
        for bad in ["", "60", "0s", "soon", "-1s"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn countries_are_two_capital_letters() {
        assert_eq!(countries("DE, FR").unwrap().len(), 2);
        for bad in ["", "de", "DEU", "DE,,FR"] {
            assert!(countries(bad).is_err(), "{bad}");
        }
    }
}
