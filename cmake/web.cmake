# set up by reports/: see docs
