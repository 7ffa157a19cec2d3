# Two workers answer requests on a local socket; four clients ask one after the other and think in between.
use strict;
use warnings;
use IO::Socket::UNIX;
use Time::HiRes qw(usleep);
my $path = "/tmp/cgr-sockets.$$";
my $listen = IO::Socket::UNIX->new(Type => SOCK_STREAM, Local => $path, Listen => 16) or die "socket: $!";
my (@workers, @clients);
for (1 .. 2) {
	my $pid = fork() // die "fork: $!";
	if ($pid) { push @workers, $pid; next }
	while (my $peer = $listen->accept()) {
		while (my $line = <$peer>) {
			my $sum = 0;
			$sum += $_ * $_ for 1 .. $line;
			print $peer "$sum\n";
			$peer->flush();
		}
	}
	exit 0;
}
for my $seed (1 .. 4) {
	my $pid = fork() // die "fork: $!";
	if ($pid) { push @clients, $pid; next }
	srand($seed);
	my $peer = IO::Socket::UNIX->new(Type => SOCK_STREAM, Peer => $path) or die "connect: $!";
	for (1 .. 90) {
		print $peer int(4000 + rand(30000)), "\n";
		$peer->flush();
		<$peer>;
		usleep(int(rand(3000)));
	}
	exit 0;
}
waitpid($_, 0) for @clients;
kill 'TERM', @workers;
waitpid($_, 0) for @workers;
unlink $path;
