"""What the gateways really speak: one file each, the only places that know their spelling."""
