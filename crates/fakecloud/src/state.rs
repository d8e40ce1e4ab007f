//! Everything that the fake remembers.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};
use uuid::Uuid;

use crate::arm::Arm;
use crate::arm::graph_query::Quota;
use crate::clock::Clock;
use crate::directory::Directory;
use crate::faults::Faults;
use crate::google::Google;
use crate::options::Options;
use crate::running::Logged;

/// Everything that the fake remembers.
#[derive(Debug)]
pub(crate) struct State {
    /// How it was set up.
    pub(crate) options: Options,
    /// What time it is.
    pub(crate) clock: Clock,
    /// What goes wrong.
    pub(crate) faults: Faults,
    /// Every request so far.
    pub(crate) log: Vec<Logged>,
    /// Azure Resource Manager.
    pub(crate) arm: Arm,
    /// How many queries each user sent to Resource Graph.
    pub(crate) quota: Quota,
    /// Answers that tests gave, by method and lower-case path.
    pub(crate) canned: BTreeMap<(String, String), (u16, Json)>,
    /// Microsoft Graph.
    pub(crate) directory: Directory,
    /// Cloud Asset Inventory and Google's tokens.
    pub(crate) google: Google,
    /// Numbers that GUIDs are made of.
    guids: u64,
}

impl State {
    /// A cloud with its subscriptions and nothing in them.
    pub(crate) fn new(options: Options) -> Self {
        let mut state = Self {
            clock: Clock::default(),
            faults: Faults::default(),
            log: Vec::new(),
            arm: Arm::default(),
            quota: Quota::default(),
            canned: BTreeMap::new(),
            directory: Directory::default(),
            google: Google::default(),
            guids: 0,
            options,
        };
        for subscription in state.options.subscriptions.clone() {
            state.add_subscription(&subscription);
        }
        state.directory.set_up();
        state
    }

    /// A GUID that no other call gets; the same ones in the same order in every run.
    pub(crate) fn guid(&mut self) -> String {
        self.guids += 1;
        Uuid::new_v5(&Uuid::NAMESPACE_OID, format!("fakecloud/{}", self.guids).as_bytes()).to_string()
    }

    /// Source of the shape: Microsoft, "Subscriptions - Get" (REST, 2022-12-01).
    fn add_subscription(&mut self, subscription: &str) {
        let document = json!({
            "subscriptionId": subscription, "tenantId": self.options.tenant, "state": "Enabled",
            "displayName": format!("Subscription {}", subscription.get(..8).unwrap_or(subscription)),
            "authorizationSource": "RoleBased", "managedByTenants": [],
            "subscriptionPolicies": { "locationPlacementId": "Public_2014-09-01", "quotaId": "PayAsYouGo_2014-09-01",
            "spendingLimit": "Off" },
        });
        self.arm.store.put_plain(&format!("/subscriptions/{subscription}"), document);
        // az asks for the home region of Defender and dies on an empty list (az-cli-recipe.md, 1).
        let home = format!("/subscriptions/{subscription}/providers/Microsoft.Security/locations/centralus");
        self.arm.store.put_plain(&home, json!({ "properties": { "homeRegionName": "centralus" } }));
    }
}
