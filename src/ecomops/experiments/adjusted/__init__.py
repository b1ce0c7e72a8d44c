"""Differences made sharper or honest by covariates, strata and clusters."""
