//! One estate that several collections fill at once.

use std::cell::RefCell;
use std::sync::Arc;

use yagura_model::{Answer, Cloud, EstateBuilder, Kind, Listing, Place, Problem, Resource, ResourceId, Scope, Sink};

/// A sink that is one of several. All of them run on one thread and none holds the estate while it waits.
pub struct SharedSink<'b>(pub &'b RefCell<EstateBuilder>);

impl Sink for SharedSink<'_> {
    fn resource(&mut self, resource: Resource) {
        self.0.borrow_mut().resource(resource);
    }

    fn inline_copy(&mut self, resource: Resource) {
        self.0.borrow_mut().inline_copy(resource);
    }

    fn attach(&mut self, id: ResourceId, call: Arc<str>, answer: Answer) {
        self.0.borrow_mut().attach(id, call, answer);
    }

    fn listing(&mut self, kind: Kind, place: Place, listing: Listing) {
        self.0.borrow_mut().listing(kind, place, listing);
    }

    fn held(&mut self, cloud: Cloud, kind: &Kind) {
        self.0.borrow_mut().held(cloud, kind);
    }

    fn scope(&mut self, scope: Scope, name: Option<String>, above: Vec<Scope>) {
        self.0.borrow_mut().scope(scope, name, above);
    }

    fn problem(&mut self, problem: Problem) {
        self.0.borrow_mut().problem(problem);
    }
}
