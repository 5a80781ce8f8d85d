"""What runs on the deployer's machine.

`plan` decides and is pure; `bundle` makes what is sent; `hosts` alone speaks to hosts; `inspection` asks, `report` tells. What stands
at the door uses them all.
"""
