//! `yagura connect permissions`

use anyhow::bail;
use serde_json::json;
use yagura_connect::permissions::{
    Access, AzureRole, GcpLevel, GcpRole, LeftOut, Partition, aws_policies, azure_role, cloudformation, gcp_role, needs,
};
use yagura_content::Catalogue;
use yagura_model::Cloud;

use crate::args::{AccessSort, DefinitionForm, KnowledgeArguments};
use crate::estate::catalogue;
use crate::exit::Exit;
use crate::output;

/// What the command was asked for.
pub struct Wanted<'a> {
    pub cloud: Cloud,
    pub access: AccessSort,
    pub form: Option<DefinitionForm>,
    pub assignable_scopes: &'a [String],
    pub organization: bool,
}

/// Prints the definition; what belongs beside it goes to standard error.
pub fn run(wanted: &Wanted<'_>, knowledge: &KnowledgeArguments) -> anyhow::Result<Exit> {
    let (catalogue, faulty) = catalogue(knowledge)?;
    let access = match wanted.access {
        AccessSort::Read => Access::Read,
        AccessSort::Write => Access::Write,
    };
    if !wanted.assignable_scopes.is_empty() && wanted.cloud != Cloud::Azure {
        bail!("--assignable-scope is for Azure alone");
    }
    if wanted.organization && wanted.cloud != Cloud::Gcp {
        bail!("--organization is for Google Cloud alone; an AWS template serves every account as a StackSet");
    }
    let usual = match wanted.cloud {
        Cloud::Aws => DefinitionForm::Cloudformation,
        Cloud::Azure | Cloud::Gcp => DefinitionForm::Role,
    };
    match (wanted.form.unwrap_or(usual), wanted.cloud) {
        (DefinitionForm::List, cloud) => output::json(&needs(&catalogue, cloud, access))?,
        (DefinitionForm::Cloudformation, Cloud::Aws) => text(&cloudformation(&catalogue, access)?)?,
        (DefinitionForm::Policy, Cloud::Aws) => {
            output::json(&aws_policies(&catalogue, access, &Partition::default())?)?;
        }
        (DefinitionForm::Role, Cloud::Azure) => azure(&catalogue, access, wanted.assignable_scopes)?,
        (DefinitionForm::Role, Cloud::Gcp) => {
            let level = if wanted.organization { GcpLevel::Organization } else { GcpLevel::Project };
            gcp(&gcp_role(&catalogue, access, level)?)?;
        }
        (_, Cloud::Aws) => bail!("AWS has no such form: use cloudformation, policy or list"),
        (_, cloud) => bail!("{} has no such form: use role or list", cloud.title()),
    }
    Ok(if faulty { Exit::Incomplete } else { Exit::Done })
}

fn text(definition: &str) -> anyhow::Result<()> {
    output::line(definition.trim_end())
}

fn azure(catalogue: &Catalogue, access: Access, scopes: &[String]) -> anyhow::Result<()> {
    if scopes.is_empty() {
        bail!("name where the role can be given: --assignable-scope /subscriptions/GUID");
    }
    let AzureRole { definition, graph, left_out } = azure_role(catalogue, access, scopes)?;
    output::json(&definition)?;
    for need in &graph {
        let kinds: Vec<_> = need.kinds.iter().map(ToString::to_string).collect();
        output::note(format_args!(
            "beside the role, Microsoft Graph application permission {} for {}",
            need.permission,
            kinds.join(", ")
        ));
    }
    said(&left_out);
    Ok(())
}

fn gcp(role: &GcpRole) -> anyhow::Result<()> {
    text(&role.definition)?;
    output::note(format_args!("APIs to enable: {}", role.apis.join(" ")));
    let predefined: Vec<_> = role.predefined.iter().map(|own| own.role).collect();
    output::note(format_args!("predefined roles that give the same and more: {}", predefined.join(" ")));
    if !role.in_no_predefined.is_empty() {
        output::note(format_args!("in none of them: {}", json!(role.in_no_predefined)));
    }
    said(&role.left_out);
    Ok(())
}

fn said(left_out: &[LeftOut]) {
    for own in left_out {
        output::note(format_args!("left out: {}: {}", own.permission, own.reason));
    }
}
