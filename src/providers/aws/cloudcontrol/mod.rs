//! Any type of CloudFormation.
