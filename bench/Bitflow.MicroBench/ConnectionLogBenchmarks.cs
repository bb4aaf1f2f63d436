using BenchmarkDotNet.Attributes;
using Bitflow.Domain;

namespace Bitflow.MicroBench;

/// <summary>A line of the connection log, of a plain connection without anything out of the ordinary.</summary>
[MemoryDiagnoser]
public class ConnectionLogBenchmarks
{
    private const string Line =
        """{"name":"web","timestamp":"2026-01-02T03:04:05.6780000Z","duration":1.400303,"source_ip":"192.0.2.7","source_port":51234,"source_protocol":"tcp4","destination_ip":"192.0.2.9","destination_port":80,"destination_protocol":"tcp4","source_sent_bytes":60,"destination_receive_bytes":147,"id":9,"listener":"127.0.0.1:80","target":"app","close_reason":"client.relay.ended","dial_duration":0.123456,"dial_attempts":1,"peer_ip":"192.0.2.7","peer_port":51234,"peer_protocol":"tcp4","local_ip":"192.0.2.1","local_port":80,"local_protocol":"tcp4"}""";

    private readonly ConnectionRecord _record = ConnectionLogLine.TryParse(Line).ResultValue;
    private readonly JsonLines _lines = new();

    [GlobalSetup]
    public void Check() =>
        Answer.MustHold(ConnectionLogLine.TryParse(ConnectionLogLine.Format(_record)).ResultValue.DialDuration.Equals(_record.DialDuration), "a line reads back as itself");

    [Benchmark]
    public int Write()
    {
        _lines.Clear();
        ConnectionLogLine.Write(_lines, _record);
        return _lines.Count;
    }
}
