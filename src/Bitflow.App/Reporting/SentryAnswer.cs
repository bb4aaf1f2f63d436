namespace Bitflow.App.Reporting;

/// <summary>What a server said, as far as the core wants to know it. Headers are empty where they are absent.</summary>
/// <param name="Error">Why it refused, in its own words.</param>
internal sealed record SentryAnswer(int Status, string RateLimits, string RetryAfter, string Error);
