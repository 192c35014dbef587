//! The registry of kinds, and the clouds that implement them.

pub mod aws;

use std::collections::BTreeMap;

use crate::model::kind::{KindDef, Kinds};
use aws::kind::{Handler, Typed};

/// One line a kind: the engine, the simulated cloud, the schemas, the reference pages and the tests all go over this list.
macro_rules! registry {
    ($($kind:path),* $(,)?) => {
        /// The pure side of every kind.
        pub fn kinds() -> Kinds {
            Kinds::new([$(KindDef::of::<$kind>()),*])
        }

        fn handlers() -> BTreeMap<&'static str, Box<dyn Handler>> {
            BTreeMap::from([$((
                <$kind as crate::model::kind::Kind>::NAME,
                Box::new(Typed::<$kind>::default()) as Box<dyn Handler>,
            )),*])
        }
    };
}

registry! {
    aws::autoscaling::group::AutoscalingGroup,
    aws::ec2::instance::Instance,
    aws::ec2::launch_template::LaunchTemplate,
    aws::ec2::subnet::Subnet,
    aws::ec2::volume::Volume,
    aws::ec2::vpc::Vpc,
    aws::iam::role::Role,
    aws::kms::key::Key,
    aws::logs::log_group::LogGroup,
}
