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
    aws::backup::plan::BackupPlan,
    aws::backup::restore_testing_plan::RestoreTestingPlan,
    aws::backup::vault::BackupVault,
    aws::ec2::egress_gateway::EgressGateway,
    aws::ec2::elastic_ip::ElasticIp,
    aws::ec2::flow_log::FlowLog,
    aws::ec2::internet_gateway::InternetGateway,
    aws::ec2::nat_gateway::NatGateway,
    aws::ec2::route_table::RouteTable,
    aws::ec2::security_group::SecurityGroup,
    aws::acm::certificate::Certificate,
    aws::autoscaling::group::AutoscalingGroup,
    aws::ec2::instance::Instance,
    aws::ec2::launch_template::LaunchTemplate,
    aws::ec2::snapshot::Snapshot,
    aws::ec2::subnet::Subnet,
    aws::ec2::volume::Volume,
    aws::ec2::vpc::Vpc,
    aws::ec2::vpc_endpoint::VpcEndpoint,
    aws::guardduty::detector::Detector,
    aws::elb::listener::Listener,
    aws::elb::load_balancer::LoadBalancer,
    aws::elb::target_group::TargetGroup,
    aws::iam::group::Group,
    aws::iam::policy::Policy,
    aws::iam::role::Role,
    aws::iam::user::User,
    aws::cloudcontrol::cloud_control::CloudControl,
    aws::kms::key::Key,
    aws::cloudwatch::alarm::Alarm,
    aws::cloudwatch::composite_alarm::CompositeAlarm,
    aws::cloudwatch::dashboard::Dashboard,
    aws::logs::metric_filter::MetricFilter,
    aws::events::event_rule::EventRule,
    aws::logs::log_group::LogGroup,
    aws::ssm::association::Association,
    aws::ssm::document::Document,
    aws::ssm::maintenance_window::MaintenanceWindow,
    aws::ssm::patch_baseline::PatchBaseline,
    aws::ssm::session_preferences::SessionPreferences,
    aws::sns::topic::Topic,
    aws::rds::cluster_parameter_group::DatabaseClusterParameterGroup,
    aws::rds::database::Database,
    aws::rds::database_cluster::DatabaseCluster,
    aws::rds::database_snapshot::DatabaseSnapshot,
    aws::rds::option_group::DatabaseOptionGroup,
    aws::rds::parameter_group::DatabaseParameterGroup,
    aws::rds::subnet_group::DatabaseSubnetGroup,
    aws::waf::web_acl::WebAcl,
    aws::route53::health_check::HealthCheck,
    aws::route53::record::Record,
    aws::route53::zone::Zone,
    aws::s3::bucket::Bucket,
    aws::secretsmanager::secret::Secret,
    aws::ssm::parameter::Parameter,
    aws::cloudtrail::trail::Trail,
}
