"""Find blood cells and spirochaetes in dark-field images."""
