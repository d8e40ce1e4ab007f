//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use yagura_content::Language;
use yagura_model::{Cloud, Severity, Status, Timestamp};

/// Posture of Azure, AWS and Google Cloud from what the clouds export: inventory, recommendations, secure score,
/// compliance, every number explained.
#[derive(Debug, Parser)]
#[command(name = "yagura", version, max_term_width = 110)]
#[command(
    after_help = "Exit codes: 0 done, 1 failed, 2 usage, 3 findings at or over --fail-on, 4 done but incomplete."
)]
pub struct Arguments {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Assess an estate and sum it up
    Scan(ScanArguments),
    /// List the resources of an estate
    Inventory(EstateArguments),
    /// List recommendations, or with --all every recommendation x resource
    Recommendations(RecommendationsArguments),
    /// Show the secure score of every scope, cloud and everything
    Score(EstateArguments),
    /// Show compliance with standards
    Compliance(ComplianceArguments),
    /// Explain a verdict, or a score
    Explain(ExplainArguments),
    /// Show what the score becomes when something is fixed
    WhatIf(WhatIfArguments),
    /// Check, list, show or start content files
    Content(ContentArguments),
    /// Evaluate Azure Policy definitions
    Policy(PolicyArguments),
    /// Add, list, test or remove connections to clouds
    Connect(ConnectArguments),
    /// Collect a cloud, then follow its change events and say which verdicts change
    Watch(WatchArguments),
    /// Print a completion script for a shell
    Completions(CompletionsArguments),
}

/// What every command that reads an estate takes.
#[derive(Clone, Debug, Args)]
pub struct EstateArguments {
    /// Export files or folders; `-` is standard input
    #[arg(value_name = "ESTATE", required_unless_present_any = ["live", "replay"], conflicts_with_all = ["live", "replay"])]
    pub estate: Vec<PathBuf>,

    #[command(flatten)]
    pub live: LiveArguments,

    #[command(flatten)]
    pub knowledge: KnowledgeArguments,

    #[command(flatten)]
    pub filter: FilterArguments,

    /// Form of the output
    #[arg(short, long, value_enum, default_value_t = Format::Table)]
    pub output: Format,

    /// Exit with 3 if an unhealthy, not exempted finding has this severity or a higher one
    #[arg(long, value_name = "SEVERITY")]
    pub fail_on: Option<Severity>,

    /// The time of the evaluation instead of now, RFC 3339
    #[arg(long, value_name = "TIME")]
    pub at: Option<Timestamp>,

    /// No progress and no notes on standard error, only what leaves the result incomplete
    #[arg(short, long)]
    pub quiet: bool,
}

/// Asking the clouds instead of reading exports.
#[derive(Clone, Debug, Default, Args)]
pub struct LiveArguments {
    /// Ask the clouds: these connectors, or all of them (`yagura connect add`)
    #[arg(long, value_name = "CONNECTOR", num_args = 0..)]
    pub live: Option<Vec<String>>,

    /// Write every answer to this folder, which can be read as an estate later
    #[arg(long, value_name = "DIR", requires = "live", conflicts_with = "estate")]
    pub record: Option<PathBuf>,

    /// Answer from this folder, which `--record` wrote, instead of asking the clouds
    #[arg(long, value_name = "DIR", conflicts_with = "live")]
    pub replay: Option<PathBuf>,

    /// With --live: ask nobody, take what the last collection of the connectors gave
    #[arg(long, requires = "live", conflicts_with_all = ["estate", "record", "anew"])]
    pub kept: bool,

    /// Do not go on with a collection that was interrupted in the last hour
    #[arg(long, requires = "live", conflicts_with = "estate")]
    pub anew: bool,

    #[command(flatten)]
    pub data: DataArguments,
}

/// Where connectors and interrupted collections are kept.
#[derive(Clone, Debug, Default, Args)]
pub struct DataArguments {
    /// The folder where connectors are kept; YAGURA_DATA does the same
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
}

/// What is known and decided.
#[derive(Clone, Debug, Default, Args)]
pub struct KnowledgeArguments {
    /// A folder with own content that lies over the shipped one; may be given several times
    #[arg(long, value_name = "DIR")]
    pub content: Vec<PathBuf>,

    /// Plans, parameters, exemptions and attestations (docs/configuration.md); YAGURA_CONFIG does the same
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// Language of titles and texts: en or ja
    #[arg(long, value_name = "LANGUAGE", default_value = "en")]
    pub lang: Language,
}

/// Which part of the results is shown.
#[derive(Clone, Debug, Default, Args)]
pub struct FilterArguments {
    /// Only these clouds: azure, aws, gcp
    #[arg(long, value_delimiter = ',')]
    pub cloud: Vec<Cloud>,
    /// Only these subscriptions, accounts or projects (whole id, or its last part)
    #[arg(long, value_delimiter = ',')]
    pub scope: Vec<String>,
    /// Only these severities: low, medium, high
    #[arg(long, value_delimiter = ',')]
    pub severity: Vec<Severity>,
    /// Only recommendations that these standards name
    #[arg(long, value_delimiter = ',')]
    pub standard: Vec<String>,
    /// Only resources whose id, name or kind contains this text
    #[arg(long)]
    pub resource: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people
    Table,
    /// One JSON document
    Json,
    /// One JSON document a line
    Jsonl,
    /// Comma-separated, one header line
    Csv,
    /// One self-contained page
    Html,
    /// SARIF 2.1.0
    Sarif,
    /// OCSF Compliance Finding, one JSON document a line
    Ocsf,
}

#[derive(Debug, Args)]
pub struct ScanArguments {
    #[command(flatten)]
    pub estate: EstateArguments,
    /// Evaluate the Azure Policy definitions, initiatives and assignments of this folder too
    #[arg(long, value_name = "DIR")]
    pub policies: Option<PathBuf>,
    /// Aliases: the output of `az provider list --expand resourceTypes/aliases`
    #[arg(long, value_name = "FILE", requires = "policies")]
    pub aliases: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct RecommendationsArguments {
    #[command(flatten)]
    pub estate: EstateArguments,
    /// One row per recommendation and resource, whatever its status
    #[arg(long)]
    pub all: bool,
    /// Only rows with these statuses: healthy, unhealthy, notApplicable, unknown (with --all)
    #[arg(long, value_delimiter = ',', requires = "all", value_parser = status)]
    pub status: Vec<Status>,
}

fn status(word: &str) -> Result<Status, String> {
    [Status::Healthy, Status::Unhealthy, Status::NotApplicable, Status::Unknown]
        .into_iter()
        .find(|status| status.as_str().eq_ignore_ascii_case(word))
        .ok_or_else(|| format!("`{word}` is not a status: use healthy, unhealthy, notApplicable or unknown"))
}

#[derive(Debug, Args)]
pub struct ComplianceArguments {
    #[command(flatten)]
    pub estate: EstateArguments,
    /// Every control, not only the standards' sums
    #[arg(long)]
    pub controls: bool,
}

#[derive(Debug, Args)]
pub struct ExplainArguments {
    #[command(flatten)]
    pub estate: EstateArguments,
    /// The recommendation: its key, an older key, a policy definition id or another tool's check id
    #[arg(long, value_name = "KEY", required_unless_present = "score")]
    pub key: Option<String>,
    /// Explain the score of this scope instead
    #[arg(long, value_name = "SCOPE", conflicts_with = "key")]
    pub score: Option<String>,
}

#[derive(Debug, Args)]
pub struct WhatIfArguments {
    #[command(flatten)]
    pub estate: EstateArguments,
    /// What would be fixed: KEY, KEY@RESOURCE-ID, or @RESOURCE-ID for everything on a resource
    #[arg(long = "fix", value_name = "WHAT", required = true)]
    pub fixes: Vec<String>,
}

#[derive(Debug, Args)]
pub struct ContentArguments {
    #[command(subcommand)]
    pub command: ContentCommand,
}

#[derive(Debug, Subcommand)]
pub enum ContentCommand {
    /// Read every content file, refuse what is wrong, run the tests inside
    Check {
        /// A content folder to check: one with controls.yaml or plans.yaml by itself, another one over the built-in one
        folder: Option<PathBuf>,
        #[command(flatten)]
        knowledge: KnowledgeArguments,
    },
    /// List recommendations, standards, controls, plans or resource types
    List {
        /// What to list
        #[arg(value_enum, default_value_t = ContentSort::Recommendations)]
        what: ContentSort,
        #[command(flatten)]
        knowledge: KnowledgeArguments,
        /// Form of the output
        #[arg(short, long, value_enum, default_value_t = Format::Table)]
        output: Format,
    },
    /// Show one recommendation
    Show {
        /// Its key, an older key, a policy definition id or another tool's check id
        key: String,
        #[command(flatten)]
        knowledge: KnowledgeArguments,
    },
    /// Print a new recommendation file to start from
    New {
        /// The kind it speaks of, for instance Microsoft.Storage/storageAccounts
        kind: String,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ContentSort {
    Recommendations,
    Standards,
    Controls,
    Plans,
    ResourceTypes,
}

#[derive(Debug, Args)]
pub struct PolicyArguments {
    #[command(subcommand)]
    pub command: PolicyCommand,
}

#[derive(Debug, Subcommand)]
pub enum PolicyCommand {
    /// Evaluate one definition on one resource, or JSON-line cases from standard input
    Eval {
        /// A policy definition or rule (JSON); none = cases from standard input
        #[arg(long, requires = "resource")]
        definition: Option<PathBuf>,
        /// A resource (JSON)
        #[arg(long, requires = "definition")]
        resource: Option<PathBuf>,
        /// Parameters of the definition (JSON object)
        #[arg(long, requires = "definition")]
        parameters: Option<PathBuf>,
        /// A folder with the alias catalogues that the cases name
        #[arg(long, value_name = "DIR")]
        aliases_dir: Option<PathBuf>,
        /// Aliases: the output of `az provider list --expand resourceTypes/aliases`
        #[arg(long, value_name = "FILE")]
        aliases: Option<PathBuf>,
    },
}

#[derive(Debug, Args)]
pub struct CompletionsArguments {
    /// The shell
    #[arg(value_enum)]
    pub shell: clap_complete::Shell,
}

#[derive(Debug, Args)]
pub struct ConnectArguments {
    #[command(subcommand)]
    pub command: ConnectCommand,
}

#[derive(Debug, Subcommand)]
pub enum ConnectCommand {
    /// Add a connection to a cloud
    Add {
        #[command(subcommand)]
        cloud: AddCommand,
    },
    /// List the connections
    List {
        #[command(flatten)]
        data: DataArguments,
        /// Form of the output
        #[arg(short, long, value_enum, default_value_t = Format::Table)]
        output: Format,
    },
    /// Sign in and ask for one page of everything; say which permissions are missing
    Test {
        /// The connector
        name: String,
        #[command(flatten)]
        data: DataArguments,
        #[command(flatten)]
        knowledge: KnowledgeArguments,
        /// Form of the output
        #[arg(short, long, value_enum, default_value_t = Format::Table)]
        output: Format,
    },
    /// Print the rights that a connector needs, as a definition to give them with
    Permissions {
        /// The cloud: azure, aws, gcp
        cloud: Cloud,
        /// What the rights are for
        #[arg(long, value_enum, default_value_t = AccessSort::Read)]
        access: AccessSort,
        /// Form of the definition; without it the one that is used most: a role, for AWS a CloudFormation template
        #[arg(long, value_enum)]
        form: Option<DefinitionForm>,
        /// Azure: where the role can be given: /subscriptions/GUID, .../resourceGroups/NAME,
        /// /providers/Microsoft.Management/managementGroups/NAME
        #[arg(long = "assignable-scope", value_name = "SCOPE")]
        assignable_scopes: Vec<String>,
        /// Google Cloud: a role of the organization instead of a project
        #[arg(long)]
        organization: bool,
        #[command(flatten)]
        knowledge: KnowledgeArguments,
    },
    /// Remove a connection with its credential
    Remove {
        /// The connector
        name: String,
        #[command(flatten)]
        data: DataArguments,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum AccessSort {
    /// Collecting what is assessed; holds nothing that writes
    Read,
    /// Carrying out fixes
    Write,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DefinitionForm {
    /// Azure: a custom role for `az role definition create`; Google Cloud: one for `gcloud iam roles create`
    Role,
    /// AWS: a CloudFormation template that makes a role
    Cloudformation,
    /// AWS: managed policies, as a JSON list of names and documents
    Policy,
    /// Every permission with what it is for, as JSON
    List,
}

#[derive(Debug, Subcommand)]
pub enum AddCommand {
    /// An account, or with --organization all accounts of an organization
    Aws {
        /// A name of your own
        #[arg(value_parser = crate::live::connector_name)]
        name: String,
        /// The account number; without it the one that the credential belongs to
        #[arg(long, value_parser = crate::live::account)]
        account: Option<String>,
        /// Only these regions; without it all that the account uses
        #[arg(long, value_delimiter = ',', value_parser = crate::live::region)]
        region: Vec<String>,
        /// A profile of the shared AWS configuration files
        #[arg(long, conflicts_with = "credential_file")]
        profile: Option<String>,
        /// The role to assume: an ARN, or with --organization the name that it has in every member account
        #[arg(long, required_if_eq("organization", "true"))]
        role: Option<String>,
        /// The external id that the role asks for
        #[arg(long, requires = "role")]
        external_id: Option<String>,
        /// Read every active account of the organization, with the role in each
        #[arg(long)]
        organization: bool,
        #[command(flatten)]
        access: AccessArguments,
    },
    /// Subscriptions of a tenant, or of management groups
    Azure {
        /// A name of your own
        #[arg(value_parser = crate::live::connector_name)]
        name: String,
        /// The tenant's GUID
        #[arg(long, value_parser = crate::live::guid)]
        tenant: String,
        /// Only these subscriptions (GUIDs); without it all that the credential sees
        #[arg(long, value_delimiter = ',', value_parser = crate::live::guid)]
        subscription: Vec<String>,
        /// Only the subscriptions below these management groups
        #[arg(long, value_delimiter = ',')]
        management_group: Vec<String>,
        /// The client id of a user-assigned managed identity to sign in with
        #[arg(long, value_parser = crate::live::guid, conflicts_with = "credential_file")]
        client: Option<String>,
        /// The Azure cloud
        #[arg(long, value_enum, default_value_t = AzureEnvironment::Public)]
        environment: AzureEnvironment,
        #[command(flatten)]
        access: AccessArguments,
    },
    /// A project, a folder or an organization
    Gcp {
        /// A name of your own
        #[arg(value_parser = crate::live::connector_name)]
        name: String,
        /// `projects/ID`, `folders/NUMBER` or `organizations/NUMBER`
        #[arg(long, value_parser = crate::live::gcp_scope)]
        scope: String,
        #[command(flatten)]
        access: AccessArguments,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum AzureEnvironment {
    Public,
    UsGovernment,
    China,
}

/// How a cloud is signed in to and reached.
#[derive(Clone, Debug, Default, Args)]
pub struct AccessArguments {
    /// A file with the credential, which is stored encrypted; `-` is standard input. Without it the cloud's usual
    /// chain is used: environment, configuration files, workload and machine identity
    #[arg(long, value_name = "FILE")]
    pub credential_file: Option<PathBuf>,
    /// One URL for all services of the cloud: an emulator, a private endpoint
    #[arg(long, value_name = "URL")]
    pub endpoint: Option<String>,
    /// Certificate authorities to trust beside the system's, PEM
    #[arg(long, value_name = "FILE")]
    pub ca_file: Option<PathBuf>,
    /// Let the cloud's own command line, or a program that a profile names, give the credential
    #[arg(long)]
    pub allow_process: bool,
    #[command(flatten)]
    pub data: DataArguments,
}

#[derive(Debug, Args)]
pub struct WatchArguments {
    /// The connector
    pub connector: String,
    /// Where its change events come from (docs/events.md): the URL of an SQS queue, or
    /// projects/PROJECT/subscriptions/NAME of Pub/Sub; `-` takes them from standard input, a body a line. Azure's Activity
    /// Log needs none
    #[arg(long, value_name = "SOURCE")]
    pub events: Option<String>,
    #[command(flatten)]
    pub data: DataArguments,
    #[command(flatten)]
    pub knowledge: KnowledgeArguments,
    /// Seconds from one look at the source to the next
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub every: u64,
    /// Seconds for which events of one resource are gathered before it is read again
    #[arg(long, value_name = "SECONDS", default_value_t = 15, value_parser = clap::value_parser!(i64).range(0..=3600))]
    pub settle: i64,
    /// End after this many looks
    #[arg(long, value_name = "NUMBER")]
    pub looks: Option<u64>,
    /// Form of the output: table or jsonl
    #[arg(short, long, value_enum, default_value_t = Format::Table)]
    pub output: Format,
    /// No progress and no notes on standard error, only what went wrong
    #[arg(short, long)]
    pub quiet: bool,
}
