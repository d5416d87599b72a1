[("mainstay.toml", "name = \"marketplace\"\n")]
