# install rules and packages
