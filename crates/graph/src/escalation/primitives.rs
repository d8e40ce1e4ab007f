//! The primitives of AWS, made ready to be held against policies.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use yagura_content::{NeededPermission, Primitive};
use yagura_model::Cloud;

use crate::identity::aws::{ActionIndex, Effect, Policy};

/// Primitives that are reported, with an index of the actions they take.
pub struct Primitives {
    actions: ActionIndex,
    ready: Vec<Ready>,
    /// Which of the actions a policy names in its allows, by the address of the policy. The policy is kept beside, so
    /// that no other one comes to stand at its address.
    named: Mutex<HashMap<usize, (Arc<Policy>, Bits)>>,
}

/// A primitive with the permissions it takes; one with `any_one` becomes as many as it has permissions.
pub(crate) struct Ready {
    pub(crate) primitive: Primitive,
    pub(crate) permissions: Vec<NeededPermission>,
    /// Without these no policy allows it. A role may be taken on by its trust alone, so that one is not among them.
    needed: Bits,
}

/// A set of positions of actions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Bits(Vec<u64>);

impl Bits {
    fn insert(&mut self, position: usize) {
        let word = position / 64;
        if self.0.len() <= word {
            self.0.resize(word + 1, 0);
        }
        if let Some(bits) = self.0.get_mut(word) {
            *bits |= 1 << (position % 64);
        }
    }

    pub(crate) fn add(&mut self, other: &Self) {
        if self.0.len() < other.0.len() {
            self.0.resize(other.0.len(), 0);
        }
        for (own, more) in self.0.iter_mut().zip(&other.0) {
            *own |= more;
        }
    }

    fn holds(&self, other: &Self) -> bool {
        let own = self.0.iter().copied().chain(std::iter::repeat(0));
        other.0.iter().zip(own).all(|(needed, own)| needed & !own == 0)
    }
}

impl Primitives {
    /// The reported primitives of AWS among these.
    pub fn new(all: &[Primitive]) -> Self {
        let mut actions = ActionIndex::default();
        let mut ready = Vec::new();
        for primitive in all.iter().filter(|primitive| primitive.reported && primitive.cloud == Cloud::Aws) {
            let ways: Vec<Vec<NeededPermission>> = match primitive.any_one {
                true => primitive.permissions.iter().map(|one| vec![one.clone()]).collect(),
                false => vec![primitive.permissions.clone()],
            };
            for permissions in ways {
                let mut needed = Bits::default();
                for permission in &permissions {
                    let by_trust_alone =
                        !primitive.broad_only && permission.action.eq_ignore_ascii_case("sts:AssumeRole");
                    if !by_trust_alone {
                        needed.insert(actions.position(&permission.action));
                    }
                }
                ready.push(Ready { primitive: primitive.clone(), permissions, needed });
            }
        }
        Self { actions, ready, named: Mutex::default() }
    }

    /// Primitives whose actions are all named.
    pub(crate) fn possible<'a>(&'a self, named: &'a Bits) -> impl Iterator<Item = &'a Ready> {
        self.ready.iter().filter(move |ready| named.holds(&ready.needed))
    }

    /// The actions that allows of a policy name, whatever their resources and conditions.
    pub(crate) fn named(&self, policy: &Arc<Policy>) -> Bits {
        let address = Arc::as_ptr(policy) as usize;
        let mut cache = self.named.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let (_, bits) = cache.entry(address).or_insert_with(|| {
            let mut bits = Bits::default();
            for statement in policy.statements().iter().filter(|statement| statement.effect == Effect::Allow) {
                statement.actions_among(&self.actions, &mut |position| bits.insert(position));
            }
            (policy.clone(), bits)
        });
        bits.clone()
    }
}
