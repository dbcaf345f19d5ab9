//! A synthetic Go program for unit tests.
