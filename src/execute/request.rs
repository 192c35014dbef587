//! What a step asks of the cloud: made before it is announced, so that its announcement can tell.

use super::journal::{Asked, Event};
use super::step::Runner;
use crate::model::cloud::{CreateRequest, DeleteRequest, OwnRequest, UpdateRequest};
use crate::model::ownership;
use crate::model::plan::{Action, Operation, Step};

/// The request of a step.
pub(super) enum Request {
    Create { request: Box<CreateRequest>, asked: Asked },
    Update(Box<UpdateRequest>),
    Delete(Box<DeleteRequest>),
    Own(Box<OwnRequest>),
    Disown(Box<OwnRequest>),
}

impl Request {
    /// The events that announce it.
    pub(super) fn announcement(&self, step: usize) -> Vec<Event> {
        let mut events = vec![Event::Started { step }];
        match self {
            Self::Create { asked, .. } => events.push(Event::Requested { step, asked: asked.clone() }),
            Self::Update(_) | Self::Delete(_) | Self::Own(_) | Self::Disown(_) => {}
        }
        events
    }
}

impl Runner<'_> {
    /// The request of a step, from what is known now.
    ///
    /// # Errors
    /// What is missing or wrong in it.
    pub(super) fn request(&self, step: &Step, action: &Action) -> Result<Request, String> {
        let world = self.world();
        Ok(match step.operation {
            Operation::Create => self.with_token(world.create_request(action)?),
            Operation::Update => Request::Update(Box::new(world.update_request(step, action)?)),
            Operation::Delete => Request::Delete(Box::new(world.delete_request(step, action)?)),
            Operation::Own => Request::Own(Box::new(world.own_request(step, action)?)),
            Operation::Disown => Request::Disown(Box::new(world.disown_request(step, action)?)),
        })
    }

    /// If an earlier call for the same has had no answer, its token is used again: should it have made the object, this
    /// call gives that one.
    fn with_token(&self, mut request: CreateRequest) -> Request {
        let (address, generation) = (&request.owner.address, request.owner.generation);
        let digest = digest(&request);
        let earlier = self.inputs.unfinished.creates.get(address).filter(|c| c.generation == generation);
        if let Some(earlier) = earlier.filter(|c| c.asked.digest == digest) {
            request.token.clone_from(&earlier.asked.token);
        }
        let asked = Asked { token: request.token.clone(), digest };
        Request::Create { request: Box::new(request), asked }
    }
}

/// Digest of all that a creating call asks for, and of what it refers to.
fn digest(request: &CreateRequest) -> String {
    let CreateRequest { kind, region, spec, owner, tags, name, token: _, resolved } = request;
    let ids: Vec<&str> = resolved.values().map(|r| r.id.as_str()).collect();
    let all = serde_json::json!([kind, region, spec, owner.tags(), tags, name, ids]);
    ownership::value_hash(&all, 32)
}
