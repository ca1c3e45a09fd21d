"""`python -m madrigal`, which is also what torchrun starts."""

from madrigal.cli.app import main

raise SystemExit(main())
