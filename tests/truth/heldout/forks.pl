# A server that forks for every connection on a local socket; three clients connect, ask once, and go on.
use strict;
use warnings;
use IO::Socket::UNIX;
use Time::HiRes qw(usleep);
my $path = "/tmp/cgr-forks.$$";
my $listen = IO::Socket::UNIX->new(Type => SOCK_STREAM, Local => $path, Listen => 16) or die "socket: $!";
my $server = fork() // die "fork: $!";
if (!$server) {
	$SIG{CHLD} = 'IGNORE';
	$SIG{TERM} = sub { exit 0 };
	while (1) {
		my $peer = $listen->accept() or next;
		my $pid = fork() // die "fork: $!";
		if ($pid) { close $peer; next }
		my $steps = <$peer>;
		my $sum = 0;
		$sum += $_ % 7 for 1 .. $steps;
		print $peer "$sum\n";
		close $peer;
		exit 0;
	}
}
my @clients;
for my $seed (1 .. 3) {
	my $pid = fork() // die "fork: $!";
	if ($pid) { push @clients, $pid; next }
	srand($seed);
	for (1 .. 60) {
		my $peer = IO::Socket::UNIX->new(Type => SOCK_STREAM, Peer => $path) or die "connect: $!";
		print $peer int(10000 + rand(60000)), "\n";
		$peer->flush();
		<$peer>;
		usleep(int(rand(5000)));
	}
	exit 0;
}
waitpid($_, 0) for @clients;
kill 'TERM', $server;
waitpid($server, 0);
unlink $path;
