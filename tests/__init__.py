"""Tests of the service, one folder per room."""
