"""Reads Kubernetes objects as YAML from standard input and checks them strictly: python manifests.py VERSION…

Ends with 1 and one line for each fault if there are any.
"""

import sys

import kubernetes_validate
import yaml

faults = []
for item in filter(None, yaml.safe_load_all(sys.stdin)):
    for version in sys.argv[1:]:
        try:
            kubernetes_validate.validate(item, version, strict=True)
        except kubernetes_validate.ValidationError as fault:
            place = '.'.join(str(step) for step in fault.path)
            faults.append(f"{version} {item['kind']} {item['metadata']['name']}: {place}: {fault.message}")
if faults:
    sys.exit('\n'.join(faults))
