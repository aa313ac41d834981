"""What each PBX says, one file each."""
