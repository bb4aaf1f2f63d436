using Bitflow.Domain;

namespace Bitflow.Net.Observing;

/// <summary>For a server without logs: every record is forgotten.</summary>
internal sealed class NoConnectionLogs : IConnectionLogs, IConnectionLog
{
    public static readonly NoConnectionLogs Instance = new();

    public IConnectionLog Open(string path, string proxy) => this;

    public void Write(ConnectionRecord record)
    {
    }
}
