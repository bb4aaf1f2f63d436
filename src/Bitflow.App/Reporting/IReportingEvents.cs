namespace Bitflow.App.Reporting;

/// <summary>What an operator is told of reporting itself. Called from the thread pool; must not end in another report.</summary>
internal interface IReportingEvents
{
    /// <param name="status">The status of the answer.</param>
    /// <param name="reason">What the server said of it; empty for nothing.</param>
    void Refused(int status, string reason);

    /// <summary>The network failed, or nothing answered in time; once an episode.</summary>
    void Unreachable(string reason);
}
