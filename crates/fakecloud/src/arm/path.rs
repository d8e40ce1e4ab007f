//! Addresses of ARM: `/subscriptions/{s}/resourceGroups/{g}/providers/{namespace}/{type}/{name}...` at any depth.

use super::statuses::canonical;

/// What an address means: a resource, or a list (or action) below one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ArmPath {
    /// The whole address, its fixed words and known types spelt as Azure does.
    pub(crate) id: String,
    /// The subscription's GUID.
    pub(crate) subscription: Option<String>,
    /// The resource group's name.
    pub(crate) group: Option<String>,
    /// What the last `/providers/` hangs under: a subscription, a group, a resource; empty for the tenant.
    pub(crate) scope: String,
    /// The resource one level up; for top-level resources it is the scope.
    pub(crate) parent: String,
    /// `Microsoft.Network/networkSecurityGroups/securityRules`.
    pub(crate) kind: String,
    /// The resource's name; none = the address is that of a list or an action.
    pub(crate) name: Option<String>,
}

impl ArmPath {
    /// Takes an address apart. Everything can be read as one; whether it exists is another question.
    pub(crate) fn parse(path: &str) -> Self {
        let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
        let mut parsed = Self::default();
        let mut rest = segments.as_slice();
        while let Some((word, below)) = rest.split_first() {
            rest = match (word.to_lowercase().as_str(), parsed.id.as_str()) {
                ("subscriptions", "") => parsed.step("Microsoft.Resources", "subscriptions", below),
                ("resourcegroups", _) if parsed.is_subscription() => {
                    parsed.step("Microsoft.Resources", "resourceGroups", below)
                }
                ("providers", _) => parsed.provider(below),
                _ => parsed.step("Microsoft.Resources", word, below),
            };
            if parsed.is_subscription() && parsed.subscription.is_none() {
                parsed.subscription = parsed.name.clone();
            }
            if parsed.kind == "Microsoft.Resources/resourceGroups" {
                parsed.group = parsed.name.clone();
            }
        }
        parsed
    }

    fn is_subscription(&self) -> bool {
        self.kind == "Microsoft.Resources/subscriptions" && self.name.is_some()
    }

    /// One `{type}/{name}` of a kind that starts anew; the name may be missing.
    fn step<'s, 't>(&mut self, namespace: &str, word: &str, below: &'s [&'t str]) -> &'s [&'t str] {
        (self.scope, self.kind) = (self.id.clone(), namespace.to_owned());
        self.pair(word, below)
    }

    /// `{namespace}/{type}/{name}/{type}/{name}...` up to the next `providers`.
    fn provider<'s, 't>(&mut self, below: &'s [&'t str]) -> &'s [&'t str] {
        let Some((namespace, mut rest)) = below.split_first() else {
            return self.step("Microsoft.Resources", "providers", below);
        };
        if rest.is_empty() {
            return self.step("Microsoft.Resources", "providers", below);
        }
        (self.scope, self.kind) = (self.id.clone(), (*namespace).to_owned());
        self.id = format!("{}/providers/{namespace}", self.id);
        let mut first = true;
        while let Some((word, below)) = rest.split_first() {
            if !first && word.eq_ignore_ascii_case("providers") {
                break;
            }
            rest = self.pair(word, below);
            if first {
                self.parent = self.scope.clone();
            }
            first = false;
        }
        rest
    }

    fn pair<'s, 't>(&mut self, word: &str, below: &'s [&'t str]) -> &'s [&'t str] {
        self.kind = canonical(&format!("{}/{word}", self.kind));
        self.parent = self.id.clone();
        let spelt = self.kind.rsplit('/').next().unwrap_or(word).to_owned();
        self.respell_namespace();
        match below.split_first() {
            Some((name, rest)) => {
                self.id = format!("{}/{spelt}/{name}", self.id);
                self.name = Some((*name).to_owned());
                rest
            }
            None => {
                self.id = format!("{}/{spelt}", self.id);
                self.name = None;
                below
            }
        }
    }

    /// Once the type is known, so is the spelling of the namespace that the id ends with.
    fn respell_namespace(&mut self) {
        let namespace = self.kind.split('/').next().unwrap_or_default();
        let start = self.id.len().saturating_sub(namespace.len());
        if self.id.is_char_boundary(start) && self.id[start..].eq_ignore_ascii_case(namespace) {
            self.id.replace_range(start.., namespace);
        }
    }

    /// The namespace of the type.
    pub(crate) fn namespace(&self) -> &str {
        self.kind.split('/').next().unwrap_or_default()
    }

    /// The last word of the type; for actions what is to be done.
    pub(crate) fn word(&self) -> &str {
        self.kind.rsplit('/').next().unwrap_or_default()
    }

    /// Whether the type is one of its provider's own, not a child of another.
    pub(crate) fn is_top(&self) -> bool {
        self.kind.matches('/').count() == 1
    }

    /// The id of the resource group it is in.
    pub(crate) fn group_id(&self) -> Option<String> {
        let (subscription, group) = (self.subscription.as_deref()?, self.group.as_deref()?);
        Some(format!("/subscriptions/{subscription}/resourceGroups/{group}"))
    }

    /// `type/name/type/name` of the resource, as errors say it.
    pub(crate) fn label(&self) -> String {
        let from = self.id.to_lowercase().rfind("/providers/").map_or(0, |at| at + "/providers/".len());
        self.id[from..].to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(path: &str) -> (String, String, Option<String>, String) {
        let parsed = ArmPath::parse(path);
        (parsed.id, parsed.kind, parsed.name, parsed.parent)
    }

    #[test]
    fn resources_at_any_depth() {
        let rule =
            "/SUBSCRIPTIONS/s/resourcegroups/G/Providers/microsoft.network/networksecuritygroups/N/securityrules/r";
        let parsed = ArmPath::parse(rule);
        let group = "/subscriptions/s/resourceGroups/G/providers/Microsoft.Network/networkSecurityGroups/N";
        assert_eq!(parsed.id, format!("{group}/securityRules/r"));
        assert_eq!(parsed.kind, "Microsoft.Network/networkSecurityGroups/securityRules");
        assert_eq!((parsed.parent.as_str(), parsed.name.as_deref()), (group, Some("r")));
        assert_eq!((parsed.scope.as_str(), parsed.group.as_deref()), ("/subscriptions/s/resourceGroups/G", Some("G")));
        assert_eq!(parsed.label(), "Microsoft.Network/networkSecurityGroups/N/securityRules/r");
        assert!(!parsed.is_top());
    }

    #[test]
    fn lists_have_no_name() {
        let kind = |path: &str| facts(path).1;
        assert_eq!(
            facts("/subscriptions"),
            ("/subscriptions".into(), "Microsoft.Resources/subscriptions".into(), None, "".into())
        );
        assert_eq!(kind("/subscriptions/s/resourceGroups"), "Microsoft.Resources/resourceGroups");
        assert_eq!(kind("/subscriptions/s/resources"), "Microsoft.Resources/resources");
        assert_eq!(kind("/subscriptions/s/providers"), "Microsoft.Resources/providers");
        let (id, kind, name, parent) = facts("/subscriptions/s/providers/Microsoft.Compute/virtualmachines");
        assert_eq!(
            (id.as_str(), kind.as_str()),
            ("/subscriptions/s/providers/Microsoft.Compute/virtualMachines", "Microsoft.Compute/virtualMachines")
        );
        assert_eq!((name, parent.as_str()), (None, "/subscriptions/s"));
    }

    #[test]
    fn extensions_hang_under_resources() {
        let machine = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Compute/virtualMachines/v";
        let parsed = ArmPath::parse(&format!("{machine}/providers/Microsoft.Security/assessments/a"));
        assert_eq!((parsed.scope.as_str(), parsed.parent.as_str()), (machine, machine));
        assert_eq!((parsed.kind.as_str(), parsed.is_top()), ("Microsoft.Security/assessments", true));
        let parsed = ArmPath::parse(
            "/providers/Microsoft.Management/managementGroups/m/providers/Microsoft.Authorization/roleAssignments/r",
        );
        assert_eq!(parsed.scope, "/providers/Microsoft.Management/managementGroups/m");
        assert_eq!(parsed.subscription, None);
    }

    #[test]
    fn providers_and_subscriptions_are_resources_too() {
        assert_eq!(facts("/subscriptions/s/providers/Microsoft.Compute").2.as_deref(), Some("Microsoft.Compute"));
        let (id, kind, name, _) = facts("/subscriptions/s");
        assert_eq!(
            (id.as_str(), kind.as_str(), name.as_deref()),
            ("/subscriptions/s", "Microsoft.Resources/subscriptions", Some("s"))
        );
    }
}
